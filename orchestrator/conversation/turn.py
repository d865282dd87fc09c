"""A turn: one thing the caller did that wants an answer."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.clock import utc_now
from orchestrator.conversation.open_values import OpenToNewer

TurnKind = Literal["started", "speech", "keys", "silence", "interrupted", "ended"]


class Turn(BaseModel):
    """One turn, as the ingress hands it to an agent.

    `turn_id` is unique in the call and the same when the provider retries. `text` holds what was said; for
    `keys` it holds the keys too, so that an agent may treat both alike; for `interrupted` what the
    caller had heard of the last reply; for `ended` why the call ended (`completed`, `busy`, …).
    `interrupts` is the id of the turn whose reply an `interrupted` caller cut off, when that is known.
    `unfinished` tells of words which replies had not been said to their end when the caller spoke: the id of the turn
    that each answers, and what of it had been said.
    `confidence` is the recogniser's, 0 to 1, when it gave one. `replay_of` is the id of the turn that a person has
    replayed with this one.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    turn_id: str = Field(min_length=1, max_length=256)
    call_sid: str
    kind: Annotated[TurnKind, OpenToNewer()]
    text: str = ""
    digits: str = ""
    confidence: float | None = None
    language: str | None = None
    interrupts: str | None = None
    unfinished: dict[str, str] = Field(default_factory=dict, exclude_if=lambda unfinished: not unfinished)
    received_at: datetime = Field(default_factory=utc_now)
    replay_of: str | None = None

    @property
    def has_words(self) -> bool:
        """Whether the caller has said something, or pressed keys."""
        return self.kind in ("speech", "keys")

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at this turn, replays too: hand it to what must not happen twice."""
        return f"{self.call_sid}/{self.replay_of or self.turn_id}"
