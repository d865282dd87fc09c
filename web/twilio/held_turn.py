"""A turn that has no reply yet, sealed in the query of the wait redirect.

So any ingress that the provider asks next can submit the turn, and nobody on the way can read or change it.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator import clock
from orchestrator.conversation.turn import Turn
from orchestrator.routes.admission import Admission
from web.seal import Seal

MAX_AGE_SECONDS = 300.0
"""A held turn older than this is not read: its words are no longer an answer to anything. A caller is held for a
minute, so the clocks of two ingresses may be four minutes apart."""

MAX_SEAL_CHARACTERS = 6000
"""What fits a URL everywhere; some minutes of speech."""


class HeldTurn(BaseModel):
    """A turn whose caller has waited since `since` (Unix seconds).

    `opening` if it begins the call; `admission` if there may be no room for it.
    """

    model_config = ConfigDict(defer_build=True)

    turn: Turn
    opening: dict[str, Any] | None = None
    admission: Admission | None = Field(default=None, exclude_if=lambda admission: admission is None)
    since: float

    def sealed(self, seal: Seal) -> str | None:
        """Return the held turn as text that is safe in a URL; None when it is too long for one."""
        text = seal.wrap(self.model_dump_json().encode())
        return text if len(text) <= MAX_SEAL_CHARACTERS else None


def read_held_turn(seal: Seal, text: str) -> HeldTurn | None:
    """Return what `HeldTurn.sealed` returned as `text`; None when the seal is not ours, broken or too old."""
    content = seal.unwrap(text)
    try:
        held = HeldTurn.model_validate_json(content) if content is not None else None
    except ValidationError:
        return None
    return held if held is not None and abs(clock.now() - held.since) <= MAX_AGE_SECONDS else None
