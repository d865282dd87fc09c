"""The calls of the scripts that read and write outboxes. See `orchestrator.redis.script_call`.

`shard` is the call's shard where its agenda can be changed in the same step; None in a cluster, where it lies in
another slot.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any, Protocol

from orchestrator.encryption.cipher import NO_CIPHER, Cipher
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
from orchestrator.events.redis.entries import readable_entry
from orchestrator.events.redis.sealed_parts import SealedParts, read_failures
from orchestrator.redis import keys
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, flag, ignored, lua_script, text

LEASE_MS = 5000
MOST_ENTRIES = 20
"""Of one sink in one claim."""
MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Announced:
    """What a script of the turns writes into the outbox: the keys that it takes for it, and its arguments.

    `cipher` decrypts what it grants.
    """

    keys: tuple[str, ...] = ()
    args: tuple[Any, ...] = ()
    cipher: Cipher = NO_CIPHER


NOTHING = Announced()


def outbox_keys(call_sid: str, shard: ShardKeys | None) -> tuple[str, ...]:
    """Return the keys of the call's outbox, as scripts take them."""
    return (keys.outbox(call_sid),) if shard is None else (keys.outbox(call_sid), shard.agenda)


def announcement_args(announcement: Announcement, cipher: Cipher, *, remembers_ids: bool = False) -> tuple[Any, ...]:
    """Return an announcement as scripts take it. With `remembers_ids`, no event is written whose id is known."""
    head = announcement.head
    parts = SealedParts(cipher, head.call_sid)
    events = [
        part
        for new in announcement.events
        if new.sinks or new.event.type == "call.ended"
        for part in (new.event.id if remembers_ids else "", new.event.type, json.dumps(new.sinks), body_of(new, parts))
    ]
    closing_ms = int(CLOSING_SECONDS * 1000)
    return (
        head.life, parts.head(json.dumps(asdict(head))), flag(announcement.closes_later), closing_ms,
        len(events) // 4, *events,
    )  # fmt: skip


def delivery_args(announcement: Announcement, cipher: Cipher, sinks: Sequence[str], *, wanted: bool) -> tuple[Any, ...]:
    """Return an announcement as a commit takes it, and how it grants the delivery, if that is `wanted`."""
    return (LEASE_MS if wanted else "", MOST_ENTRIES, MOST_BYTES, *announcement_args(announcement, cipher), *sinks)


def body_of(new: NewEvent, parts: SealedParts) -> str | bytes:
    """Return the event's JSON as it is stored, without `seq`."""
    return parts.event(new.event.model_dump_json())


def delivery_of(call_sid: str, holder: str, cipher: Cipher, reply: Any) -> Delivery | None:
    """Decode what `claim_outbox` grants. An entry that is damaged is given as one without its event's data."""
    if not reply:
        return None
    epoch, flat, queues = reply
    parts = SealedParts(cipher, call_sid)
    entries = {
        position: readable_entry(call_sid, position, stored, parts)
        for position, stored in zip(flat[::2], flat[1::2], strict=True)
    }
    lease = DeliveryLease(call_sid, holder, int(epoch))
    return Delivery(lease, [_queue_of(sink, failed, positions, entries) for sink, failed, *positions in queues])


def _queue_of(
    sink: bytes, failed: bytes, positions: Sequence[bytes], entries: Mapping[bytes, Entry | None]
) -> SinkQueue:
    failures = read_failures(failed)
    found = [entries[at] for at in positions]
    readable = [entry for entry in takewhile(lambda entry: entry is not None, found) if entry is not None]
    unreadable = int(positions[len(readable)]) if len(readable) < len(found) else None
    count, first_failed_at = int(failures.get("failures", 0)), float(failures.get("first", 0)) / 1000
    return SinkQueue(text(sink), readable, count, first_failed_at, unreadable)


def claim_outbox(*, call_sid: str, holder: str, cipher: Cipher, sinks: Sequence[str]) -> ScriptCall[Delivery | None]:
    """Claim the delivery of what the call has for `sinks` now."""
    return ScriptCall(
        lua_script("claim_outbox"),
        [keys.outbox(call_sid)],
        [holder, LEASE_MS, MOST_ENTRIES, MOST_BYTES, *sinks],
        lambda reply: delivery_of(call_sid, holder, cipher, reply),
    )


def settle_delivery(
    *, lease: DeliveryLease, sink: str, position: int, settlement: Settlement, at: float, cipher: Cipher
) -> ScriptCall[bool]:
    """Note what became of an attempt, `at` Unix seconds. False: the lease is lost."""
    details = {"at": int(at * 1000), "error": settlement.error, "failures": settlement.failures} | (
        {"first": int(settlement.first_failed_at * 1000), "next": int(settlement.next_at * 1000)}
        if settlement.result == "failed"
        else {}
    )
    stored = SealedParts(cipher, lease.call_sid).failures(sink, details)
    return ScriptCall(
        lua_script("settle_delivery"),
        [keys.outbox(lease.call_sid)],
        [lease.holder, lease.epoch, sink, position, settlement.result, stored, LEASE_MS],
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


def end_life(
    *, call_sid: str, life: str, new: NewEvent | None, cipher: Cipher, shard: ShardKeys | None
) -> ScriptCall[bool]:
    """Write the end of a life of the call; None closes it without an event. False: that was done before."""
    told = ["[]", ""] if new is None else [json.dumps(new.sinks), body_of(new, SealedParts(cipher, call_sid))]
    return ScriptCall(lua_script("end_life"), list(outbox_keys(call_sid, shard)), [call_sid, life, *told], bool)


class Beginning(Protocol):
    """Makes the call of a script that begins a life of a call."""

    def __call__(
        self, *, call_sid: str, announcement: Announcement, cipher: Cipher, shard: ShardKeys | None
    ) -> ScriptCall[bool]: ...


def accept_call(
    *, call_sid: str, announcement: Announcement, cipher: Cipher, shard: ShardKeys | None
) -> ScriptCall[bool]:
    """Write what is told of a call that is accepted without a turn."""
    return ScriptCall(
        lua_script("accept_call"),
        list(outbox_keys(call_sid, shard)),
        [call_sid, *announcement_args(announcement, cipher)],
        bool,
    )


def take_over_outbox(
    *, call_sid: str, announcement: Announcement, cipher: Cipher, shard: ShardKeys | None
) -> ScriptCall[bool]:
    """Write what was announced elsewhere, before the state is written. Each event once."""
    return ScriptCall(
        lua_script("take_over_outbox"),
        list(outbox_keys(call_sid, shard)),
        [call_sid, int(TAKE_OVER_SECONDS * 1000), *announcement_args(announcement, cipher, remembers_ids=True)],
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
