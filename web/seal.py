"""`Seal`: encrypts what leaves this deployment in a URL or a document and comes back unchanged.

Held turns, contexts of placed calls and relay tickets are sealed. Nobody on the way can read or change them.
"""

from collections.abc import Awaitable, Callable
from secrets import token_urlsafe

from orchestrator.settings import Settings
from web.seal_keys import SealKeys


class Seal:
    """Seals and unseals with keys that every ingress has (`web.shared_seal`), and that derive from nothing else."""

    def __init__(self, key: str) -> None:
        self.keys = SealKeys(key)
        self.learn: Callable[[], Awaitable[None]] = _nothing

    @classmethod
    def of(cls, settings: Settings) -> "Seal":
        """Return a seal with `SEAL_KEY`, or with a new random key."""
        return cls(settings.seal_key.get_secret_value() if settings.seal_key else token_urlsafe(32))

    def wrap(self, content: bytes) -> str:
        """Return `content`, sealed as text that is safe in a URL."""
        return self.keys.seal(content)

    def unwrap(self, text: str) -> bytes | None:
        """Return what `wrap` sealed, however long ago; None when the seal is broken or made with another key."""
        return self.keys.unseal(text)

    async def knows(self, text: str) -> bool:
        """True if `unwrap` can open `text`, after a look at the keys of other ingresses if need be.

        Raise `StoreUnavailable` while those keys cannot be read, since the seal may be made with one of them.
        """
        if self.unwrap(text) is None:
            await self.learn()
        return self.unwrap(text) is not None


async def _nothing() -> None:
    """Learn no keys: this process is the only one."""
