"""The parts of an outbox that tell of a call, as they are stored: encrypted, if the process has encryption keys.

Readable stay the numbers and names that scripts go by: positions, times, sinks, lives and counts of failures. An event
is bound to its call alone, not to its position: a replay moves it.
"""

import json
from typing import Any

from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.redis import keys

_NUMBERS = frozenset({"failures", "first", "next", "at", "stopped_at"})
_MOST_MS = 250_000_000_000_000
"""The end of all dates: what is larger is no time, and no count."""


def event_place(outbox: str) -> str:
    """Return where the events of this outbox are bound to."""
    return f"{outbox}/event"


def head_place(outbox: str) -> str:
    """Return where the heads of this outbox are bound to. They move from `head` to `unended`."""
    return f"{outbox}/head"


def error_place(outbox: str, sink: str) -> str:
    """Return where the errors of a sink are bound to."""
    return f"{outbox}/error/{sink}"


class SealedParts:
    """Encrypts and decrypts the parts of one call's outbox. `open…` raises `UnreadableSeal`."""

    def __init__(self, cipher: Cipher, call_sid: str) -> None:
        self._cipher = cipher
        self._outbox = keys.outbox(call_sid)

    def event(self, text: str) -> str | bytes:
        """Return the JSON of an event as it is stored."""
        return self._sealed(event_place(self._outbox), text)

    def open_event(self, stored: bytes) -> bytes:
        """Return the JSON of an event."""
        return self._cipher.open(event_place(self._outbox), stored)

    def head(self, text: str) -> str | bytes:
        """Return the JSON of a head as it is stored."""
        return self._sealed(head_place(self._outbox), text)

    def open_head(self, stored: bytes) -> bytes:
        """Return the JSON of a head."""
        return self._cipher.open(head_place(self._outbox), stored)

    def failures(self, sink: str, details: dict[str, Any]) -> str:
        """Return what is stored of a sink's failures. Scripts change its times: the error in it is encrypted alone."""
        if not self._cipher.encrypts or not details.get("error"):
            return json.dumps(details)
        error = self._cipher.seal(error_place(self._outbox, sink), str(details["error"]).encode())
        return json.dumps({**details, "error": error.decode()})

    def open_failures(self, sink: str, stored: bytes | None) -> dict[str, Any]:
        """Return what is stored of a sink's failures, or of a dead delivery. An error that cannot be decrypted is
        replaced by why not."""
        details = read_failures(stored)
        error = details.get("error")
        if not isinstance(error, str) or not error:
            return details
        try:
            opened = self._cipher.open(error_place(self._outbox, sink), error.encode()).decode()
        except UnreadableSeal as unreadable:
            opened = str(unreadable)
        return {**details, "error": opened}

    def _sealed(self, place: str, text: str) -> str | bytes:
        return self._cipher.seal(place, text.encode()) if self._cipher.encrypts else text


def read_failures(stored: bytes | None) -> dict[str, Any]:
    """Return what is stored of a sink's failures, or of a dead delivery: numbers of milliseconds, and the error.

    What somebody has damaged is left out.
    """
    try:
        found = json.loads(stored or b"{}")
    except (ValueError, RecursionError):
        return {}
    fields = found if isinstance(found, dict) else {}
    return {name: value for name, value in fields.items() if name not in _NUMBERS or _is_number(value)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= _MOST_MS
