"""A turn that has no reply yet travels with the caller: sealed, in the query of the wait redirect.

So whichever ingress the provider asks next can hand it over, and nobody on the way can read or change it.
"""

import base64
import hashlib
import hmac
import time
import zlib
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from orchestrator.conversation.turn import Turn
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

MAX_AGE_SECONDS = 300.0
"""A seal older than this is not opened: the words in it are no longer an answer to anything."""

MAX_SEAL_CHARACTERS = 6000
"""What fits a URL everywhere; some minutes of speech."""

_PURPOSE = b"voiceagent held turn"
_DEVELOPMENT_TOKEN = "unsigned webhooks from this machine"


class HeldTurn(BaseModel):
    """A turn that waits for the store since then (Unix seconds); `opening` if it begins the call."""

    turn: Turn
    opening: dict[str, Any] | None = None
    since: float


class Seal:
    """Closes and opens held turns with a key made from a secret that every ingress has: the auth token, if any."""

    def __init__(self, token: str) -> None:
        digest = hmac.new(token.encode(), _PURPOSE, hashlib.sha256).digest()
        self._key = base64.urlsafe_b64encode(digest)
        self._fernet: Fernet | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Seal":
        """The seal of this deployment."""
        secrets = (settings.twilio_auth_token, settings.signalwire_signing_key, settings.api_key, settings.redis_url)
        found = next((secret.get_secret_value() for secret in secrets if secret), None)
        if found is None and settings.is_production:
            return cls(token_urlsafe())  # every other ingress has another: seals do not travel between them
        return cls(found or _DEVELOPMENT_TOKEN)

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
        return held if held is not None and time.time() - held.since <= MAX_AGE_SECONDS else None

    def wrap(self, content: bytes) -> str:
        """Anything, sealed as text that is safe in a URL."""
        return self._cipher().encrypt(zlib.compress(content)).decode()

    def unwrap(self, text: str) -> bytes | None:
        """What `wrap` sealed, however long ago; None when the seal is not ours or broken."""
        from cryptography.fernet import InvalidToken

        try:
            return zlib.decompress(self._cipher().decrypt(text.encode()))
        except (InvalidToken, zlib.error, ValueError):
            return None

    def _cipher(self) -> "Fernet":
        if self._fernet is None:
            from cryptography.fernet import Fernet  # needed only when a caller waits

            self._fernet = Fernet(self._key)
        return self._fernet
