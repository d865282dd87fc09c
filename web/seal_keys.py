"""The keys of the seal: one seals, and several open what other keys have sealed."""

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
"""The limit on unsealed content: sealed text is compressed, and could expand to any size."""
_PURPOSE = b"voiceagent held turn"


class SealKeys:
    """Seals with the first of `keys`, and opens with all of them."""

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
        """All keys that this process has sealed with, or got from others."""
        return tuple(self._keys)

    def adopt(self, current: str, others: Iterable[str] = ()) -> None:
        """Seal with `current` from now on, and keep opening with all others."""
        self._keys = list(dict.fromkeys([current, *self._keys, *others]))[:MOST_KEYS]

    def open_former(self, key: str | None, seconds: float) -> None:
        """Open for `seconds` what the previous version has sealed with `key`."""
        self._former, self._former_until = key, time.monotonic() + seconds

    def seal(self, content: bytes) -> str:
        """Return `content`, sealed as text that is safe in a URL."""
        return self._cipher(self.current).encrypt(zlib.compress(content)).decode()

    def unseal(self, text: str) -> bytes | None:
        """Return what was sealed; None when no key opens it."""
        former = [self._former] if self._former is not None and time.monotonic() < self._former_until else []
        return next((found for key in [*self._keys, *former] if (found := self._unsealed(key, text)) is not None), None)

    def sign(self, purpose: bytes, content: bytes) -> str:
        """Return a signature of `content` in hexadecimal, which holds for this purpose alone."""
        return _signature(self.current, purpose, content)

    def has_signed(self, purpose: bytes, content: bytes, signature: str) -> bool:
        """True if one of the keys has signed `content` for this purpose."""
        given = signature.encode(errors="replace")
        return any(hmac.compare_digest(_signature(key, purpose, content).encode(), given) for key in self._keys)

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
            from cryptography.fernet import Fernet  # imported late: only held callers and relay calls need it

            if len(self._ciphers) > 2 * MOST_KEYS:
                self._ciphers.clear()
            self._ciphers[key] = Fernet(base64.urlsafe_b64encode(hmac.digest(key.encode(), _PURPOSE, hashlib.sha256)))
        return self._ciphers[key]


def _signature(key: str, purpose: bytes, content: bytes) -> str:
    own_key = hmac.digest(key.encode(), purpose, hashlib.sha256)
    return hmac.new(own_key, content, hashlib.sha256).hexdigest()


def former_key(settings: Settings) -> str | None:
    """Return the secret from which the previous version derived its key; None if its seals are not opened.

    Only a secret that the provider and this deployment alone know is trusted.
    """
    secret = settings.twilio_auth_token or settings.signalwire_signing_key
    return secret.get_secret_value() if secret else None
