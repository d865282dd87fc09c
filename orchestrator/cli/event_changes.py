"""What `voiceagent events` changes: dead events are delivered again, and others dropped."""

import json
from collections.abc import Sequence

from orchestrator.cli.confirmation import agrees
from orchestrator.cli.transcript import printable
from orchestrator.errors import VoiceAgentError
from orchestrator.events.listing import key_of
from orchestrator.events.outbox import Outbox, Undelivered

POSITION = "@"


class NoSuchEvent(VoiceAgentError):
    """There is no such event. `voiceagent events` lists those there are."""


async def deliveries_of(outbox: Outbox, call_sid: str | None, number: str | None) -> list[Undelivered]:
    """Return the deliveries of an event that are not made: of its `seq`, or of its position (`@7`).

    Raise `NoSuchEvent`.
    """
    if not call_sid or not number:
        raise NoSuchEvent("Say which event: CALL SEQ, as `voiceagent events` lists them.")
    digits = number.removeprefix(POSITION)
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 16):
        raise NoSuchEvent(f"{printable(number)} is no number of an event. `voiceagent events` lists them (SEQ).")
    found = [
        it
        for it in await outbox.undelivered(call_sid)
        if (it.entry.position if number.startswith(POSITION) else it.entry.event.seq) == int(digits)
    ]
    if not found:
        raise NoSuchEvent(
            f"Event {number} of {printable(call_sid)} is not there: it was delivered, or dropped, or never was. "
            "`voiceagent events` lists those that wait."
        )
    positions = sorted({it.entry.position for it in found})
    if len(positions) > 1:
        choice = " or ".join(f"{POSITION}{position}" for position in positions)
        raise NoSuchEvent(f"{printable(call_sid)} was the SID of several calls. Say which event {number}: {choice}.")
    return found


async def replay(outbox: Outbox, deliveries: Sequence[Undelivered], *, as_json: bool = False) -> int:
    """Deliver those of them that are dead again, and print how many those are. Return 1 if none is, of some."""
    done = [it for it in deliveries if await outbox.replay(*key_of(it))]
    if deliveries and not done:
        raise NoSuchEvent("Nothing was replayed: only what is dead can be, and what is pending is delivered anyway.")
    print(json.dumps({"replayed": len(done)}) if as_json else f"{_number(done)} will be made again.")
    return 0


async def retry(outbox: Outbox, deliveries: Sequence[Undelivered], *, as_json: bool = False) -> int:
    """Try those of them at once that are pending, and print how many those are."""
    queues = {(it.entry.event.call_sid, it.sink) for it in deliveries if it.dead_at is None}
    now = {queue for queue in sorted(queues) if await outbox.retry(*queue)}
    done = [it for it in deliveries if it.dead_at is None and (it.entry.event.call_sid, it.sink) in now]
    print(json.dumps({"retried": len(done)}) if as_json else f"{_number(done)} will be tried at once.")
    return 0


async def drop(outbox: Outbox, deliveries: Sequence[Undelivered], *, asks: bool, as_json: bool = False) -> int:
    """Drop them, after a question if `asks`, and print how many were dropped. Return 1 if the answer is no."""
    if asks and deliveries and not agrees(_question(deliveries)):
        print(json.dumps({"dropped": 0}) if as_json else "Nothing was dropped.")
        return 1
    done = [it for it in deliveries if await outbox.drop(*key_of(it))]
    print(json.dumps({"dropped": len(done)}) if as_json else f"{_number(done)} dropped.")
    return 0


def _question(deliveries: Sequence[Undelivered]) -> str:
    sinks = ", ".join(sorted({printable(it.sink) for it in deliveries}))
    return f"{_number(deliveries)} for {sinks} would be gone for good. Drop?"


def _number(deliveries: Sequence[Undelivered]) -> str:
    calls = len({it.entry.event.call_sid for it in deliveries})
    deliveries_text = "1 delivery" if len(deliveries) == 1 else f"{len(deliveries)} deliveries"
    return deliveries_text + (f" of {calls} calls" if calls > 1 else "")
