"""Records of calls, delivered to a database as the product delivers them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.events.event import Event, EventType, new_event

BEGUN = datetime(2026, 9, 21, 14, 13, 20, 123456, tzinfo=UTC)
numbers = count(1)


def event(kind: EventType, call_sid: str = "CA1", /, **data: Any) -> Event:
    """An event of a call; each has the next number."""
    number = next(numbers)
    whose = {"agent": "echo", "tenant": "north", "worker_version": "7"}
    return new_event(kind, BEGUN.timestamp() + number, {"call_sid": call_sid, "seq": number, **whose, **data})


def turn(turn_id: str, text: str = "I said", **more: Any) -> dict[str, Any]:
    """A turn, as records have it."""
    return {
        "turn_id": turn_id, "kind": "speech", "text": text, "received_at": written(BEGUN), "outcome": "replied",
        "reply": {"text": "You said", "actions": []}, "heard": "You", **more,
    }  # fmt: skip


def ended(*turns: Any, call_sid: str = "CA1", hours: float = 0, **data: Any) -> Event:
    """The end of a call that began so many hours after `BEGUN`."""
    record = {
        "channel": "gather", "direction": "inbound", "from_number": "+15558675310", "to_number": "+15551234567",
        "started_at": written(BEGUN + timedelta(hours=hours)), "ended_at": written(BEGUN + timedelta(hours=hours + 1)),
        "duration_seconds": 3600.0, "status": "completed", "reason": "", "phase": "done", "slots": {"name": "Ada"},
        "turns": list(turns), **data,
    }  # fmt: skip
    return event("call.ended", call_sid, **record)


def written(at: datetime) -> str:
    """A time as records write it."""
    return at.isoformat().replace("+00:00", "Z")


async def keep(url: str, events: Sequence[Event], cipher: Cipher = NO_CIPHER) -> None:
    """Deliver the events, in order."""
    from orchestrator.events.sinks.postgres import PostgresSink

    sink = PostgresSink(url, cipher=cipher)
    for each in events:
        await sink.deliver(each)
    await sink.close()
