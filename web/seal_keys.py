"""The keys of the seal: one that seals, and those that open what was sealed before it was known."""

import base64
import hashlib
import hmac
import time
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestrator.settings import Settings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

MOST_KEYS = 24
MOST_BYTES = 1 << 20
"""What is opened holds no more than that, whatever it was compressed to."""
_PURPOSE = b"voiceagent held turn"


class SealKeys:
    """The first of `keys` seals; all of them open. `former` opens too, until a time on the monotonic clock."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)
        self._ciphers: dict[str, Fernet] = {}
        self._former: str | None = None
        self._former_until = 0.0

    @property
    def current(self) -> str:
        """The key that seals."""
        return self._keys[0]

    @property
    def used(self) -> tuple[str, ...]:
        """All that this process may have sealed with, or got from others."""
        return tuple(self._keys)

    def adopt(self, current: str, others: Iterable[str] = ()) -> None:
        """Seal with `current` from now on; go on opening with all others."""
        self._keys = list(dict.fromkeys([current, *self._keys, *others]))[:MOST_KEYS]

    def open_former(self, key: str | None, seconds: float) -> None:
        """Open what the version before this one has sealed, for so long."""
        self._former, self._former_until = key, time.monotonic() + seconds

    def seal(self, content: bytes) -> str:
        """`content`, sealed as text that is safe in a URL."""
        return self._cipher(self.current).encrypt(zlib.compress(content)).decode()

    def unseal(self, text: str) -> bytes | None:
        """What was sealed; None when no key opens it."""
        former = [self._former] if self._former is not None and time.monotonic() < self._former_until else []
        return next((found for key in [*self._keys, *former] if (found := self._unsealed(key, text)) is not None), None)

    def _unsealed(self, key: str, text: str) -> bytes | None:
        from cryptography.fernet import InvalidToken

        try:
            unpacking = zlib.decompressobj()
            content = unpacking.decompress(self._cipher(key).decrypt(text.encode()), MOST_BYTES)
        except (InvalidToken, zlib.error, ValueError):
            return None
        return content if unpacking.eof else None

    def _cipher(self, key: str) -> "Fernet":
        if key not in self._ciphers:
            from cryptography.fernet import Fernet  # needed only when a caller waits, or calls on a relay

            if len(self._ciphers) > 2 * MOST_KEYS:
                self._ciphers.clear()
            self._ciphers[key] = Fernet(base64.urlsafe_b64encode(hmac.digest(key.encode(), _PURPOSE, hashlib.sha256)))
        return self._ciphers[key]


def former_key(settings: Settings) -> str | None:
    """The secret from which the version before this one made its key. Only what is known to the provider and to this
    deployment alone is trusted; where there was none, its seals are not opened."""
    secret = settings.twilio_auth_token or settings.signalwire_signing_key
    return secret.get_secret_value() if secret else None
