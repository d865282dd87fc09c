"""Finds the deliveries that are not made yet, page by page, and describes them."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from orchestrator.errors import BadCursor
from orchestrator.events.event import happened_at, timestamp_of
from orchestrator.events.outbox import CallTally, Outbox, Undelivered

CHUNK = 100
"""Calls that are read at once."""
State = Literal["", "pending", "dead"]
MOST_CHUNKS = 100
"""Chunks that are read for a page. One that few calls are wanted for may be short, and yet not the last."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries are wanted; what is empty or 0 excludes none.

    `since` is a time in Unix seconds: of dead ones when they were given up, of pending ones when the event happened.
    """

    state: State = ""
    sink: str = ""
    call_sid: str = ""
    since: float = 0.0

    def may_be_in(self, call: CallTally) -> bool:
        """Return False if none of the call's deliveries is wanted."""
        sinks = [it for name, it in call.sinks.items() if self.sink in ("", name)]
        return any((it.pending and self.state != "dead") or (it.dead and self.state != "pending") for it in sinks)

    def includes(self, delivery: Undelivered) -> bool:
        """Return whether the delivery is wanted."""
        moment = delivery.dead_at or happened_at(delivery.entry.event)
        is_of_state = self.state in ("", state_of(delivery))
        return is_of_state and self.sink in ("", delivery.sink) and moment >= self.since


@dataclass(frozen=True, slots=True)
class Page:
    """Deliveries, and the cursor of the next page; "" after the last."""

    deliveries: list[Undelivered]
    next_cursor: str = ""


async def find_page(outbox: Outbox, wanted: Wanted, cursor: str = "", most: int = 100) -> Page:
    """Return at most `most` deliveries, those of a call together, without what their events tell.

    Raise `BadCursor` or `StoreUnavailable`.

    Deliveries that are made, or fail, while somebody turns the pages may be left out or come twice.
    """
    place, found = _read_cursor(cursor), list[Undelivered]()
    for _ in range(MOST_CHUNKS):
        call_sids, following = await _chunk(outbox, wanted, place)
        for call_sid in call_sids:
            for delivery in await outbox.undelivered(call_sid):
                if not wanted.includes(delivery) or place.is_after(delivery):
                    continue
                if len(found) == most:
                    return Page(found, _Place(place.calls, *key_of(found[-1])).cursor())
                found.append(_without_data(delivery))
        if not following:
            return Page(found)
        place = _Place(following)
    return Page(found, place.cursor())


async def find_all(outbox: Outbox, wanted: Wanted) -> AsyncIterator[Undelivered]:
    """Yield all deliveries that are wanted."""
    cursor = ""
    while True:
        page = await find_page(outbox, wanted, cursor, most=CHUNK)
        for delivery in page.deliveries:
            yield delivery
        if not (cursor := page.next_cursor):
            return


def _without_data(delivery: Undelivered) -> Undelivered:
    """Return the delivery without what the event tells: a record may have a megabyte, and a page many of them."""
    entry = delivery.entry
    event = entry.event.model_copy(update={"data": {"call_sid": entry.event.call_sid, "seq": entry.event.seq}})
    return replace(delivery, entry=replace(entry, event=event))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page ends: the outbox's cursor of a chunk of calls, and the last delivery taken from it, if any."""

    calls: str = ""
    call_sid: str = ""
    position: int = 0
    sink: str = ""

    def is_after(self, delivery: Undelivered) -> bool:
        """True if an earlier page had the delivery."""
        call_sid, position, sink = key_of(delivery)
        return call_sid == self.call_sid and (position, sink) <= (self.position, self.sink)

    def cursor(self) -> str:
        """Return it as text that can stand in a URL."""
        fields = [self.calls, self.call_sid, self.position, self.sink]
        return urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


def _read_cursor(text: str) -> _Place:
    if not text:
        return _Place()
    try:
        fields = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        place = _Place(*fields)
    except (ValueError, TypeError, RecursionError):
        raise BadCursor from None
    if not all(isinstance(it, str) for it in (place.calls, place.call_sid, place.sink)):
        raise BadCursor
    if type(place.position) is not int:
        raise BadCursor
    return place


async def _chunk(outbox: Outbox, wanted: Wanted, place: _Place) -> tuple[list[str], str]:
    """Return the calls that a page continues with, and the outbox's cursor of those after them."""
    if wanted.call_sid:
        return [wanted.call_sid], ""
    tallies, following = await outbox.survey(place.calls, CHUNK)
    numbers = [number for number, tally in enumerate(tallies) if tally.call_sid == place.call_sid]
    rest = tallies[numbers[0] :] if numbers else tallies  # the call may have got what it waited for
    return [tally.call_sid for tally in rest if wanted.may_be_in(tally)], following


def key_of(delivery: Undelivered) -> tuple[str, int, str]:
    """Return how an outbox names the delivery."""
    return delivery.entry.event.call_sid, delivery.entry.position, delivery.sink


def state_of(delivery: Undelivered) -> Literal["pending", "dead"]:
    """Return whether somebody tries to make the delivery, or has given it up."""
    return "pending" if delivery.dead_at is None else "dead"


def described(delivery: Undelivered) -> dict[str, Any]:
    """Return the delivery as JSON has it, without what the event tells."""
    event = delivery.entry.event
    return {
        "call_sid": event.call_sid,
        "position": delivery.entry.position,
        "seq": event.seq,
        "id": event.id,
        "type": event.type,
        "timestamp": event.timestamp,
        "sink": delivery.sink,
        "state": state_of(delivery),
        "attempts": delivery.failures,
        "error": delivery.error or None,
        "next_at": _timestamp(delivery.next_at),
        "dead_at": _timestamp(delivery.dead_at),
        "bytes": delivery.bytes,
    }


def _timestamp(moment: float | None) -> str | None:
    return None if moment is None else timestamp_of(moment)
