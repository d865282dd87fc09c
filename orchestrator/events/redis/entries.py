"""The entries of an outbox, as they are stored. They are not trusted: others can write to Redis, too."""

import json
from typing import Any

from orchestrator.errors import UnreadableSeal
from orchestrator.events.event import Event
from orchestrator.events.outbox import Entry
from orchestrator.events.redis.sealed_parts import SealedParts
from orchestrator.redis.script_call import text

_DAMAGE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


def readable_entry(call_sid: str, position: bytes | str, stored: bytes, parts: SealedParts) -> Entry | None:
    """Return the entry; None if a key is missing, which another process may have.

    In place of one that is damaged, return one that says so: whoever gets it refuses it, so that the next go on.
    """
    try:
        return _entry(position, stored, parts)
    except UnreadableSeal as error:
        return None if error.is_key_missing else _without_event("damaged", call_sid, position, {})
    except _DAMAGE:
        return _without_event("damaged", call_sid, position, {})


def shown_entry(call_sid: str, position: bytes | str, stored: bytes, parts: SealedParts) -> Entry:
    """Return the entry as it is shown to a person, who may not have its key: then of type `encrypted`."""
    entry = readable_entry(call_sid, position, stored, parts)
    if entry is not None:
        return entry
    try:
        return _without_event("encrypted", call_sid, position, json.loads(stored.partition(b"\n")[0]))
    except (*_DAMAGE, AttributeError):
        return _without_event("damaged", call_sid, position, {})


def _entry(position: bytes | str, stored: bytes, parts: SealedParts) -> Entry:
    """Return an entry as it is stored: a line about it, and its event. Raise ValueError if somebody has damaged it."""
    header_json, _, body = stored.partition(b"\n")
    header, event = json.loads(header_json), Event.model_validate_json(parts.open_event(body))
    seq, sinks = int(header["n"]), tuple(str(name) for name in header["s"])
    return Entry(int(position), event.model_copy(update={"data": {**event.data, "seq": seq}}), sinks)


def _without_event(kind: str, call_sid: str, position: bytes | str, header: dict[str, Any]) -> Entry:
    data = {"call_sid": call_sid, "seq": int(header.get("n", 0))}
    event = Event(id=f"{kind}-{text(position)}", type=kind, timestamp="", data=data)
    return Entry(int(position), event, tuple(str(name) for name in header.get("s", ())))
