"""The cipher of sensitive turns: it encrypts even where nothing else is encrypted."""

import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import Any

from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.keys import EncryptionKey, KeyList
from orchestrator.settings import Settings

logger = logging.getLogger(__name__)

_PURPOSE = b"voiceagent sensitive turns"


def sensitive_cipher(settings: Settings) -> Cipher | None:
    """Return the cipher of sensitive turns; None in production without a key: such turns fail.

    Its key is the one of `STATE_ENCRYPTION_KEYS` that encrypts, else one that follows from `SEAL_KEY`, else, outside
    production, one that follows from what the processes of a deployment have in common. It opens with all of them: a
    process that has a new key first still opens what the others send.
    """
    keys = settings.encryption_keys
    from_seal_key = _derived(settings.seal_key.get_secret_value()) if settings.seal_key else None
    first = keys.first or from_seal_key or next(iter(keys.all), None)
    if first is None and settings.is_production:
        return None
    in_development = None if settings.is_production else _derived(_common_secret(settings))
    candidates = (first, *keys.all, from_seal_key, in_development)
    known = tuple(dict.fromkeys(key for key in candidates if key is not None))
    key_list = KeyList(known[0], known, reads_plain=False)
    return Cipher(key_list) if first is not None else _DevelopmentCipher(key_list)


class _DevelopmentCipher(Cipher):
    """Says once that its key is no secret."""

    _has_warned = False

    def seal(self, place: str, content: bytes, clear: Mapping[str, Any] | None = None) -> bytes:
        if not _DevelopmentCipher._has_warned:
            _DevelopmentCipher._has_warned = True
            logger.warning(
                "Sensitive turns are encrypted with a key that others may guess. Set SEAL_KEY or "
                "STATE_ENCRYPTION_KEYS: in production such turns fail without one",
                extra={"action": "sensitive.weak_key"},
            )
        return super().seal(place, content, clear)


def _derived(secret: str) -> EncryptionKey:
    return EncryptionKey.of(hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest())


def _common_secret(settings: Settings) -> str:
    secrets = (settings.twilio_auth_token, settings.signalwire_signing_key, settings.api_key)
    found = next((secret.get_secret_value() for secret in secrets if secret), None)
    return found or settings.effective_redis_url()
