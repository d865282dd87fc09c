"""The calls of the scripts that grant, renew and give back leases. See `orchestrator.redis.script_call`.

`shard` as in `orchestrator.turns.redis.scripts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.redis import keys
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, flag, ignored, lua_script, optional, text
from orchestrator.turns.redis.lane import NO_TAKER, NOTHING_RUNS, Running, Taker
from orchestrator.turns.redis.queue_scripts import JOB_FUNCTION, JOB_ID_PREFIX, queue_keys
from orchestrator.turns.store import Lease

LONGEST_TIME = 16
"""Digits of a time in milliseconds."""


@dataclass(slots=True)
class Grant:
    """A lease as Redis granted it, with the turn to run under it, not read yet.

    `state_json` is None where Redis has no state; `interruption_json` is b"" where nothing may interrupt the turn.
    `pushed_at` is when the grant was pushed (ms, by the server's clock), under a short lease; None: it was claimed.
    `tenant` is whose call it is, as far as its lane says that. `moved_from` is the version that the call was pinned to
    before; "" if it was this worker's, or new. `taken_from` is the holder that let its lease of this turn expire, at
    `expired_ms`; "" if none has.
    """

    lease: Lease
    attempt: int
    ending: bool
    streamed: bool
    turn_id: bytes
    turn_json: bytes
    interruption_json: bytes
    state_json: bytes | None
    pushed_at: int | None = None
    tenant: str = ""
    moved_from: str = ""
    taken_from: str = ""
    expired_ms: float | None = None

    @property
    def job_id(self) -> str:
        """The id of the call's job."""
        return JOB_ID_PREFIX + self.lease.call_sid


def claim(
    *,
    call_sid: str,
    holder: str,
    lease_ms: int,
    lease_record_ms: int,
    on_approval: bool,
    shard: ShardKeys | None,
    pin: str = "",
) -> ScriptCall[Grant | None]:
    """Grant the call's lease for `lease_ms`, if it is free and a turn waits. `lease_record_ms` keeps its epoch.

    A claim `on_approval` is no attempt at the turn until `count_attempt`. The call is pinned to the version `pin`.
    """
    call = keys.call(call_sid)
    return ScriptCall(
        lua_script("claim"),
        [call.state, call.inbox, call.turns, call.lease, *queue_keys(shard, call_sid)[1:2]],
        [call_sid, holder, lease_ms, lease_record_ms, flag(on_approval), pin],
        lambda reply: None if reply is None else grant_of(call_sid, holder, reply),
    )


def grant_of(call_sid: str, holder: str, reply: Sequence[Any]) -> Grant:
    """Decode a claim as scripts reply it: epoch, attempt, ending, streamed, turn, interruption, state, turn id, the
    version that the call was pinned to, and whose lease of the turn expired, when.
    """
    epoch, attempt, ending, streamed, turn_json, interruption_json, state_json, turn_id, *rest = reply
    moved_from, taken_from, expired = [*map(text, rest), "", "", ""][:3]
    expired_ms = _milliseconds(expired) if taken_from else None
    return Grant(
        Lease(call_sid, holder, int(epoch)), int(attempt), ending == b"1", streamed == b"1", turn_id, turn_json,
        interruption_json, state_json, moved_from=moved_from, taken_from=taken_from, expired_ms=expired_ms,
    )  # fmt: skip


def _milliseconds(written: str) -> float | None:
    """Return the time in a lease; None if it has none that can be read: others can write there."""
    return float(written) if written.isascii() and written.isdecimal() and len(written) < LONGEST_TIME else None


@dataclass(slots=True)
class QueuedJob:
    """A job of arq's own, which is to be run as arq does. `score` is when it was due (ms)."""

    job_id: bytes
    score: bytes


@dataclass(slots=True)
class QueuedCall:
    """A call whose job has left the queue and whose lease is still to be claimed, where its keys lie."""

    call_sid: str
    tenant: str = ""

    @property
    def job_id(self) -> str:
        """The id of the call's job."""
        return JOB_ID_PREFIX + self.call_sid


@dataclass(slots=True)
class NoCall:
    """The job of a call that cannot exist: no call can have such a SID."""

    job_id: bytes


ClaimedJob = Grant | QueuedCall | QueuedJob | NoCall


@dataclass(slots=True)
class Pushed:
    """How many grants have been pushed to a worker so far, and how long ago the last one was."""

    count: int
    quiet_ms: int


@dataclass(slots=True)
class ClaimedJobs:
    """What was claimed. `pushed` is None where nothing is pushed, and if the worker's room could not be noted.

    `is_capped`: a tenant has more waiting than the worker may run.
    """

    jobs: list[ClaimedJob]
    pushed: Pushed | None
    is_capped: bool = False


def claim_jobs(
    *,
    shard: ShardKeys,
    has_calls: bool,
    most: int,
    look_at: int,
    in_progress_ms: int,
    holder: str | None,
    lease_ms: int = 0,
    lease_record_ms: int = 0,
    on_approval: bool = False,
    room: str | None = None,
    received: int = 0,
    taker: Taker = NO_TAKER,
    running: Running = NOTHING_RUNS,
) -> ScriptCall[ClaimedJobs]:
    """Claim up to `most` of the first `look_at` due jobs. A job of a call's turns takes the call's lease in this step.

    `has_calls` says that the calls lie on the shard's server; else each is still to be claimed. With `holder` None
    every job counts as one of arq's own. With `room`, the key of the workers that have some, grants may be pushed to
    the holder, who has `received` so many. `taker` says which lanes are looked at, `running` what runs already.
    """
    reported = [room, keys.worker_presence(holder or "")] if room is not None else []
    return ScriptCall(
        lua_script("claim_jobs"),
        [shard.queue, shard.wake, *([shard.due, *reported] if has_calls else [])],
        [
            most, shard.in_progress(""), in_progress_ms, "" if holder is None else JOB_ID_PREFIX, shard.job(""),
            holder or "", lease_ms, lease_record_ms, keys.STATE_PREFIX, look_at, flag(on_approval), received,
            keys.PRESENCE_MS, taker.version, taker.pin, optional(taker.most_of_tenant), *running.args,
        ],
        lambda reply: ClaimedJobs(
            [_claimed_job(holder or "", *entry) for entry in reply[0]], _pushed(reply[2:]), bool(reply[1])
        ),
    )  # fmt: skip


def _pushed(reply: Sequence[Any]) -> Pushed | None:
    return Pushed(reply[0], reply[1]) if len(reply) == 2 else None


@dataclass(slots=True)
class RoomReport:
    """Whether a job `is_due`. `pushed` as in `ClaimedJobs`."""

    is_due: bool
    pushed: Pushed | None


def report_room(
    *, shard: ShardKeys, room: str, holder: str, free: int, received: int, taker: Taker = NO_TAKER
) -> ScriptCall[RoomReport]:
    """Say that `holder` has `free` slots for turns, and has received so many pushed grants. Look for a due job."""
    return ScriptCall(
        lua_script("report_room"),
        [shard.queue, room, keys.worker_presence(holder)],
        [holder, free, received, keys.control_channel(""), keys.PRESENCE_MS, taker.version, taker.pin],
        lambda reply: RoomReport(bool(reply[0]), _pushed(reply[1:])),
    )


def _claimed_job(holder: str, kind: bytes, name: bytes, more: Any = None, tenant: bytes = b"") -> ClaimedJob:
    if kind == b"job":
        return QueuedJob(name, more)
    call_sid = call_sid_of(name)
    if call_sid is None:
        return NoCall(JOB_ID_PREFIX.encode() + name)
    if kind != b"turns":
        return QueuedCall(call_sid, text(tenant))
    return replace(grant_of(call_sid, holder, more), tenant=text(tenant))


def renew(*, lease: Lease, lease_ms: int, shard: ShardKeys | None) -> ScriptCall[bool]:
    """Hold the lease for `lease_ms` from now. False: it is lost."""
    return ScriptCall(
        lua_script("renew"),
        [keys.call(lease.call_sid).lease, *queue_keys(shard, lease.call_sid)[1:2]],
        [lease.call_sid, lease.holder, lease.epoch, lease_ms],
        bool,
    )


def note_tenant(*, call_sid: str, tenant: str, keep_ms: int) -> ScriptCall[None]:
    """Note whose call it is, which a submit notes with the state that it creates."""
    return ScriptCall(lua_script("note_tenant"), [keys.call(call_sid).lease], [tenant, keep_ms], ignored)


def count_attempt(*, lease: Lease, attempt: int) -> ScriptCall[bool]:
    """Count the attempt at a turn that was claimed on approval. False: the lease is lost."""
    return ScriptCall(
        lua_script("count_attempt"), [keys.call(lease.call_sid).lease], [lease.holder, lease.epoch, attempt], bool
    )


def release(
    *,
    lease: Lease,
    turn_id: str,
    pause_ms: int | None,
    shard: ShardKeys | None,
    room: str | None = None,
    is_attempt: bool = True,
) -> ScriptCall[bool]:
    """Give the lease back, with its turn unrun: no attempt, unless there is a pause before the next one, and it
    `is_attempt`.

    True if the call's job is still to be queued. With `room`, the holder has room for one more.
    """
    call = keys.call(lease.call_sid)
    return ScriptCall(
        lua_script("release"),
        [call.inbox, call.turns, call.lease, *queue_keys(shard, lease.call_sid, room)[1:]],
        [
            lease.call_sid, lease.holder, lease.epoch, JOB_ID_PREFIX + lease.call_sid, JOB_FUNCTION, turn_id,
            optional(pause_ms), flag(is_attempt),
        ],
        lambda reply: int(reply) == 2,
    )  # fmt: skip


def discard_turn(*, lease: Lease, turn_id: bytes) -> ScriptCall[None]:
    """Take off the inbox what waits there and is not a turn, if the lease is still held."""
    call = keys.call(lease.call_sid)
    return ScriptCall(
        lua_script("discard_turn"), [call.inbox, call.turns, call.lease], [lease.holder, lease.epoch, turn_id], ignored
    )
