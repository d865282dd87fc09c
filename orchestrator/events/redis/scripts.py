"""The calls of the scripts that read and write outboxes. See `orchestrator.redis.script_call`.

`shard` is the call's shard where its agenda can be changed in the same step; None in a cluster, where it lies in
another slot.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from orchestrator.events.event import Event
from orchestrator.events.outbox import (
    CLOSING_SECONDS,
    LOOK_AGAIN_SECONDS,
    TAKE_OVER_SECONDS,
    Announcement,
    Delivery,
    DeliveryLease,
    Entry,
    NewEvent,
    Settlement,
    SinkQueue,
)
from orchestrator.redis import keys
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, flag, ignored, lua_script, text

LEASE_MS = 5000
MOST_ENTRIES = 20
"""Of one sink in one claim."""
MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Announced:
    """What a script of the turns writes into the outbox: the keys that it takes for it, and its arguments."""

    keys: tuple[str, ...] = ()
    args: tuple[Any, ...] = ()


NOTHING = Announced()


_NUMBERS = frozenset({"failures", "first", "next", "at", "stopped_at"})
_MOST_MS = 250_000_000_000_000
"""The end of all dates: what is larger is no time, and no count."""


def outbox_keys(call_sid: str, shard: ShardKeys | None) -> tuple[str, ...]:
    """Return the keys of the call's outbox, as scripts take them."""
    return (keys.outbox(call_sid),) if shard is None else (keys.outbox(call_sid), shard.agenda)


def announcement_args(announcement: Announcement, *, remembers_ids: bool = False) -> tuple[Any, ...]:
    """Return an announcement as scripts take it. With `remembers_ids`, no event is written whose id is known."""
    events = [
        part
        for new in announcement.events
        if new.sinks or new.event.type == "call.ended"
        for part in (new.event.id if remembers_ids else "", new.event.type, json.dumps(new.sinks), body_of(new))
    ]
    head = announcement.head
    closing_ms = int(CLOSING_SECONDS * 1000)
    return (
        head.life, json.dumps(asdict(head)), flag(announcement.closes_later), closing_ms, len(events) // 4,
        *events,
    )  # fmt: skip


def delivery_args(announcement: Announcement, sinks: Sequence[str], *, wanted: bool) -> tuple[Any, ...]:
    """Return an announcement as a commit takes it, and how it grants the delivery, if that is `wanted`."""
    return (LEASE_MS if wanted else "", MOST_ENTRIES, MOST_BYTES, *announcement_args(announcement), *sinks)


def body_of(new: NewEvent) -> str:
    """Return the event's JSON as it is stored, without `seq`."""
    return new.event.model_dump_json()


def entry_of(position: bytes | str, stored: bytes) -> Entry:
    """Return an entry as it is stored: a line about it, and its event. Raise ValueError if somebody has damaged it."""
    header_json, _, body = stored.partition(b"\n")
    header, event = json.loads(header_json), Event.model_validate_json(body)
    seq, sinks = int(header["n"]), tuple(str(name) for name in header["s"])
    return Entry(int(position), event.model_copy(update={"data": {**event.data, "seq": seq}}), sinks)


def delivery_of(call_sid: str, holder: str, reply: Any) -> Delivery | None:
    """Decode what `claim_outbox` grants. An entry that is damaged is given as one without its event's data."""
    if not reply:
        return None
    epoch, flat, queues = reply
    entries = {
        position: entry_or_damaged(call_sid, position, stored)
        for position, stored in zip(flat[::2], flat[1::2], strict=True)
    }
    lease = DeliveryLease(call_sid, holder, int(epoch))
    return Delivery(
        lease, [_queue_of(sink, failed, [entries[at] for at in positions]) for sink, failed, *positions in queues]
    )


def entry_or_damaged(call_sid: str, position: bytes | str, stored: bytes) -> Entry:
    """Return the entry, or one that says that it cannot be read: whoever gets it refuses it, so that the next go on."""
    try:
        return entry_of(position, stored)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        event = Event(
            id=f"damaged-{text(position)}", type="damaged", timestamp="", data={"call_sid": call_sid, "seq": 0}
        )
        return Entry(int(position), event, ())


def _queue_of(sink: bytes, failed: bytes, entries: list[Entry]) -> SinkQueue:
    failures = failures_of(failed)
    return SinkQueue(text(sink), entries, int(failures.get("failures", 0)), float(failures.get("first", 0)) / 1000)


def failures_of(stored: bytes | None) -> dict[str, Any]:
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


def claim_outbox(*, call_sid: str, holder: str, sinks: Sequence[str]) -> ScriptCall[Delivery | None]:
    """Claim the delivery of what the call has for `sinks` now."""
    return ScriptCall(
        lua_script("claim_outbox"),
        [keys.outbox(call_sid)],
        [holder, LEASE_MS, MOST_ENTRIES, MOST_BYTES, *sinks],
        lambda reply: delivery_of(call_sid, holder, reply),
    )


def settle_delivery(
    *, lease: DeliveryLease, sink: str, position: int, settlement: Settlement, at: float
) -> ScriptCall[bool]:
    """Note what became of an attempt, `at` Unix seconds. False: the lease is lost."""
    details = {"at": int(at * 1000), "error": settlement.error, "failures": settlement.failures} | (
        {"first": int(settlement.first_failed_at * 1000), "next": int(settlement.next_at * 1000)}
        if settlement.result == "failed"
        else {}
    )
    return ScriptCall(
        lua_script("settle_delivery"),
        [keys.outbox(lease.call_sid)],
        [lease.holder, lease.epoch, sink, position, settlement.result, json.dumps(details), LEASE_MS],
        bool,
    )


def renew_delivery(*, lease: DeliveryLease) -> ScriptCall[bool]:
    """Renew the lease of a delivery. False: it is lost."""
    return ScriptCall(
        lua_script("renew_delivery"), [keys.outbox(lease.call_sid)], [lease.holder, lease.epoch, LEASE_MS], bool
    )


def look_again(
    *, call_sid: str, lease: DeliveryLease | None, elsewhere: bool, sinks: Sequence[str], shard: ShardKeys | None
) -> ScriptCall[int | None]:
    """Give the lease back, if there is one. When the call is to be looked at next (ms); None: never."""
    outbox, *agenda = outbox_keys(call_sid, shard)
    return ScriptCall(
        lua_script("look_again"),
        [outbox, keys.state(call_sid), *agenda],
        [call_sid, lease.holder if lease else "", lease.epoch if lease else 0, flag(elsewhere), *sinks],
        lambda reply: int(reply) if reply else None,
    )


def note_look(*, shard: ShardKeys, call_sid: str, before: bytes | None, at: int | None) -> ScriptCall[bool]:
    """Cluster: note when the call is to be looked at next, unless its entry is not what it was `before`."""
    return ScriptCall(lua_script("note_look"), [shard.agenda], [call_sid, before or "", "" if at is None else at], bool)


def mark_agenda(*, shard: ShardKeys, call_sid: str, within_ms: int = 0) -> ScriptCall[None]:
    """Somebody is to look at the call within so many milliseconds."""
    return ScriptCall(lua_script("mark_agenda"), [shard.agenda], [call_sid, within_ms], ignored)


def take_agenda(*, shard: ShardKeys, most: int) -> ScriptCall[list[bytes]]:
    """The calls of the shard that are to be looked at now, at most so many."""
    return ScriptCall(lua_script("take_agenda"), [shard.agenda], [most, int(LOOK_AGAIN_SECONDS * 1000)], list)


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call whose end has not been told. `end_at_ms`: when it is to be told though the provider says nothing, or 0.

    `state_by_ms`: until then its state may not be there yet, or 0. `state` is its JSON, None if there is none.
    `is_earlier`: the SID has a later life.
    """

    life: str
    head: bytes
    end_at_ms: int
    state_by_ms: int
    now_ms: int
    state: bytes | None
    is_earlier: bool


def look_at_open(*, call_sid: str) -> ScriptCall[OpenCall | None]:
    """What is known of a call whose end has not been told; None if it has, or nothing is known."""
    return ScriptCall(lua_script("look_at_open"), [keys.outbox(call_sid), keys.state(call_sid)], [], _open_call)


def _open_call(reply: Any) -> OpenCall | None:
    if not reply:
        return None
    life, head, end_at, state_by, now, state, is_earlier = reply
    return OpenCall(text(life), head, int(end_at or 0), int(state_by or 0), int(now), state or None, is_earlier == b"1")


def end_life(*, call_sid: str, life: str, new: NewEvent | None, shard: ShardKeys | None) -> ScriptCall[bool]:
    """Write the end of a life of the call; None closes it without an event. False: that was done before."""
    told = ["[]", ""] if new is None else [json.dumps(new.sinks), body_of(new)]
    return ScriptCall(lua_script("end_life"), list(outbox_keys(call_sid, shard)), [call_sid, life, *told], bool)


class Beginning(Protocol):
    """Makes the call of a script that begins a life of a call."""

    def __call__(self, *, call_sid: str, announcement: Announcement, shard: ShardKeys | None) -> ScriptCall[bool]: ...


def accept_call(*, call_sid: str, announcement: Announcement, shard: ShardKeys | None) -> ScriptCall[bool]:
    """Write what is told of a call that is accepted without a turn."""
    return ScriptCall(
        lua_script("accept_call"),
        list(outbox_keys(call_sid, shard)),
        [call_sid, *announcement_args(announcement)],
        bool,
    )


def take_over_outbox(*, call_sid: str, announcement: Announcement, shard: ShardKeys | None) -> ScriptCall[bool]:
    """Write what was announced elsewhere, before the state is written. Each event once."""
    return ScriptCall(
        lua_script("take_over_outbox"),
        list(outbox_keys(call_sid, shard)),
        [call_sid, int(TAKE_OVER_SECONDS * 1000), *announcement_args(announcement, remembers_ids=True)],
        bool,
    )


def replay_event(*, call_sid: str, position: int, sink: str, shard: ShardKeys | None) -> ScriptCall[bool]:
    """Deliver a dead event again. False: it is not dead."""
    return ScriptCall(lua_script("replay_event"), list(outbox_keys(call_sid, shard)), [call_sid, position, sink], bool)


def retry_delivery(*, call_sid: str, sink: str, shard: ShardKeys | None) -> ScriptCall[bool]:
    """Try what is pending for the sink at once. False: nothing is, or the next attempt is due already."""
    return ScriptCall(lua_script("retry_delivery"), list(outbox_keys(call_sid, shard)), [call_sid, sink], bool)


def drop_event(*, call_sid: str, position: int, sink: str) -> ScriptCall[bool]:
    """Deliver an event to the sink no more. False: there is no such delivery."""
    return ScriptCall(lua_script("drop_event"), [keys.outbox(call_sid)], [position, sink], bool)
