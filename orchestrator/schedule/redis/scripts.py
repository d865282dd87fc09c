"""The calls of the scripts that read and write schedules. See `orchestrator.redis.script_call`.

`shard` is the call's shard where its index can be changed in the same step; None in a cluster, where it lies in another
slot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.encryption.cipher import Cipher
from orchestrator.events.outbox import Announcement
from orchestrator.events.redis.scripts import announcement_args, outbox_keys
from orchestrator.redis import keys
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, flag, ignored, lua_script, text
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.item import ScheduledItem
from orchestrator.schedule.schedule import LEASE_SECONDS, ItemLease

LEASE_MS = int(LEASE_SECONDS * 1000)
TAKEN_MS = 1000
"""A call that was due and that nobody claimed is due again after this time."""
NO_ROOM_MS = 1000
"""When others look at what this process has no room for."""
EXTRA_MS = 60_000
"""A schedule outlives its call by so much."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What a commit writes into the schedule: the keys that it takes for it, and its arguments."""

    keys: tuple[str, ...] = ()
    args: tuple[Any, ...] = ()


UNCHANGED = Scheduled()


def schedule_keys(call_sid: str, shard: ShardKeys | None) -> tuple[str, ...]:
    """Return the keys of the call's schedule, as scripts take them."""
    return (keys.schedule(call_sid),) if shard is None else (keys.schedule(call_sid), shard.schedules)


def change_args(changes: ScheduleChanges, keep_ms: int, cipher: Cipher) -> tuple[Any, ...]:
    """Return changes as scripts take them. The call is kept for `keep_ms` from now."""
    added = [
        part
        for item in changes.added
        for part in (item.item_id, int(item.due_at.timestamp() * 1000), item.kind, sealed_item(item, cipher))
    ]
    return (keep_ms + EXTRA_MS, len(changes.added), *added, *changes.removed)


def item_place(schedule: str, item_id: str) -> str:
    """Return where an item of this schedule is bound to."""
    return f"{schedule}/i:{item_id}"


def sealed_item(item: ScheduledItem, cipher: Cipher) -> str | bytes:
    """Return the item's JSON as it is stored."""
    text = item.model_dump_json()
    if not cipher.encrypts:
        return text
    return cipher.seal(item_place(keys.schedule(item.call_sid), item.item_id), text.encode())


@dataclass(frozen=True, slots=True)
class GrantedItem:
    """An item as it was claimed. `posting_since_ms`: since when it is about to happen outside, or None."""

    item_id: str
    json: bytes | str
    epoch: int
    attempt: int
    failures: int
    posting_since_ms: int | None


@dataclass(frozen=True, slots=True)
class Granted:
    """What a claim was granted, and when the call is to be looked at next (ms; None: never)."""

    items: list[GrantedItem]
    next_look_ms: int | None


def claim_schedule(
    *, call_sid: str, holder: str, room: Mapping[str, int], shard: ShardKeys | None
) -> ScriptCall[Granted]:
    """Claim what of the call is due and free: so many items of each kind as `room` says."""
    wanted = [part for kind, most in room.items() if most > 0 for part in (kind, most)]
    return ScriptCall(
        lua_script("claim_schedule"),
        schedule_keys(call_sid, shard),
        [call_sid, holder, LEASE_MS, NO_ROOM_MS, *wanted],
        _granted,
    )


def _granted(reply: Any) -> Granted:
    next_look, *claimed = reply
    items = [
        GrantedItem(text(item_id), json, int(epoch), int(attempt), int(failures), int(posting) if posting else None)
        for item_id, json, epoch, attempt, failures, posting in claimed
    ]
    return Granted(items, int(next_look) if next_look else None)


def renew_scheduled(*, lease: ItemLease) -> ScriptCall[int]:
    """Renew the lease. 1; 0: it is lost; -1: the item is not there any more."""
    args = [lease.item_id, lease.holder, lease.epoch, LEASE_MS]
    return ScriptCall(lua_script("renew_scheduled"), [keys.schedule(lease.call_sid)], args, int)


def settle_scheduled(
    *,
    lease: ItemLease,
    is_kept: bool,
    name: str,
    announcement: Announcement | None,
    cipher: Cipher,
    shard: ShardKeys | None,
) -> ScriptCall[bool]:
    """Take the item off. With `is_kept`, it is remembered. False: the lease is lost, or another item has the `name`."""
    told = () if announcement is None else outbox_keys(lease.call_sid, shard)
    args = () if announcement is None else announcement_args(announcement, cipher)
    return ScriptCall(
        lua_script("settle_scheduled"),
        [*schedule_keys(lease.call_sid, shard), *told],
        [lease.call_sid, lease.item_id, lease.holder, lease.epoch, flag(is_kept), len(told), name, *args],
        bool,
    )


def retry_scheduled(
    *, lease: ItemLease, at_ms: int, has_failed: bool, is_undone: bool, shard: ShardKeys | None
) -> ScriptCall[bool]:
    """Give the lease back; the item is due again at `at_ms`. False: it is lost."""
    return ScriptCall(
        lua_script("retry_scheduled"),
        schedule_keys(lease.call_sid, shard),
        [lease.call_sid, lease.item_id, lease.holder, lease.epoch, at_ms, flag(has_failed), flag(is_undone)],
        bool,
    )


def mark_posting(*, lease: ItemLease) -> ScriptCall[bool]:
    """Note since when it is about to happen outside, and renew the lease. False: that is lost."""
    args = [lease.item_id, lease.holder, lease.epoch, LEASE_MS]
    return ScriptCall(lua_script("mark_posting"), [keys.schedule(lease.call_sid)], args, bool)


def write_schedule(
    *, call_sid: str, changes: ScheduleChanges, keep_ms: int, cipher: Cipher, shard: ShardKeys | None
) -> ScriptCall[None]:
    """Write what was changed elsewhere. The call is kept for `keep_ms` from now."""
    args = [call_sid, *change_args(changes, keep_ms, cipher)]
    return ScriptCall(lua_script("write_schedule"), schedule_keys(call_sid, shard), args, ignored)


def take_scheduled(*, shard: ShardKeys, most: int) -> ScriptCall[tuple[float | None, list[bytes | str]]]:
    """When the first call of the shard is due after this (ms), and those that are to be looked at now, at most so many.

    None: there is none.
    """
    return ScriptCall(
        lua_script("take_scheduled"), [shard.schedules], [most, TAKEN_MS],
        lambda reply: (float(reply[0]) if reply[0] else None, list(reply[1:])),
    )  # fmt: skip


def mark_scheduled(*, shard: ShardKeys, call_sid: str, at: str | int) -> ScriptCall[None]:
    """Cluster: somebody is to look at the call at this time (ms), or, with "+2000", in two seconds; or sooner."""
    return ScriptCall(lua_script("mark_scheduled"), [shard.schedules], [call_sid, at], ignored)


def note_scheduled(*, shard: ShardKeys, call_sid: str, before: bytes | None, at: int | None) -> ScriptCall[bool]:
    """Cluster: note when the call is to be looked at next, unless its entry is not what it was `before`."""
    args = [call_sid, before or "", "" if at is None else at]
    return ScriptCall(lua_script("note_scheduled"), [shard.schedules], args, bool)
