"""A turn that has no reply yet travels with the caller: sealed, in the query of the wait redirect.

So whichever ingress the provider asks next can hand it over, and nobody on the way can read or change it.
"""

from collections.abc import Awaitable, Callable
from secrets import token_urlsafe
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestrator import clock
from orchestrator.conversation.turn import Turn
from orchestrator.settings import Settings
from web.seal_keys import SealKeys

MAX_AGE_SECONDS = 300.0
"""A seal older than this is not opened: the words in it are no longer an answer to anything."""

MAX_SEAL_CHARACTERS = 6000
"""What fits a URL everywhere; some minutes of speech."""


class HeldTurn(BaseModel):
    """A turn that waits for the store since then (Unix seconds); `opening` if it begins the call."""

    turn: Turn
    opening: dict[str, Any] | None = None
    since: float


class Seal:
    """Closes and opens held turns, and whatever else goes out and comes back unchanged: with keys of its own, that
    every ingress has (`web.shared_seal`), and that are made from nothing else."""

    def __init__(self, key: str) -> None:
        self.keys = SealKeys(key)
        self.learn: Callable[[], Awaitable[None]] = _nothing

    @classmethod
    def of(cls, settings: Settings) -> "Seal":
        """With `SEAL_KEY`, or a key that nobody else has yet."""
        return cls(settings.seal_key.get_secret_value() if settings.seal_key else token_urlsafe(32))

    def close(self, held: HeldTurn) -> str | None:
        """The held turn as text that is safe in a URL; None when it is too long for one."""
        sealed = self.wrap(held.model_dump_json().encode())
        return sealed if len(sealed) <= MAX_SEAL_CHARACTERS else None

    def open(self, text: str) -> HeldTurn | None:
        """The held turn, or None when the seal is not ours, broken or too old."""
        content = self.unwrap(text)
        try:
            held = HeldTurn.model_validate_json(content) if content is not None else None
        except ValidationError:
            return None
        return held if held is not None and clock.now() - held.since <= MAX_AGE_SECONDS else None

    def wrap(self, content: bytes) -> str:
        """Anything, sealed as text that is safe in a URL."""
        return self.keys.seal(content)

    def unwrap(self, text: str) -> bytes | None:
        """What `wrap` sealed, however long ago; None when the seal is not ours or broken."""
        return self.keys.unseal(text)

    async def knows(self, text: str) -> bool:
        """Whether the seal is ours, if need be after a look at the keys that other ingresses have.

        Raises `StoreUnavailable` while it may be one of theirs, and nobody can look.
        """
        if self.unwrap(text) is None:
            await self.learn()
        return self.unwrap(text) is not None


async def _nothing() -> None:
    """There is nobody to learn keys from."""
