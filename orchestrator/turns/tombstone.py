"""Keeps for a day that a call was erased: a mark under a keyed hash of its SID, and nothing else.

A provider's webhook may have been captured before the call was erased. If it is sent again, the call is unknown and
would begin again; the mark prevents that. Clients of the API choose their own call SIDs and may use one again.
"""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Mapping
from secrets import token_bytes
from typing import Any

from orchestrator.settings import Settings

TOMBSTONE_SECONDS = 24 * 3600
MOST_REMEMBERED = 100_000
_PURPOSE = b"voiceagent erased call "


def fingerprint(secret: bytes, call_sid: str) -> str:
    """Return the name of the mark. Without the secret it does not reveal the call's SID."""
    return hmac.new(secret, _PURPOSE + call_sid.encode(), hashlib.sha256).hexdigest()


def is_of_a_provider(opening: Mapping[str, Any]) -> bool:
    """True if a call that begins with these fields was begun by a provider's webhook or socket."""
    return opening.get("channel") in ("gather", "relay")


def erasure_secret(settings: Settings) -> bytes:
    """Return a secret that all processes of a deployment have."""
    secrets = (settings.seal_key, settings.twilio_auth_token, settings.signalwire_signing_key, settings.api_key)
    found = next((secret.get_secret_value() for secret in secrets if secret), None)
    return (found or settings.effective_redis_url()).encode()


class Tombstones:
    """The tombstones of one process."""

    def __init__(self) -> None:
        self._secret = token_bytes()
        self._until: OrderedDict[str, float] = OrderedDict()

    def lay(self, call_sid: str) -> None:
        """Remember that the call was erased."""
        name = fingerprint(self._secret, call_sid)
        self._until.pop(name, None)
        self._until[name] = time.monotonic() + TOMBSTONE_SECONDS
        while len(self._until) > MOST_REMEMBERED or next(iter(self._until.values())) <= time.monotonic():
            self._until.popitem(last=False)

    def lift(self, call_sid: str) -> None:
        """Forget that the call was erased."""
        self._until.pop(fingerprint(self._secret, call_sid), None)

    def __contains__(self, call_sid: str) -> bool:
        return self._until.get(fingerprint(self._secret, call_sid), 0.0) > time.monotonic()
