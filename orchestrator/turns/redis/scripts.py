"""The calls of the scripts that submit and settle turns. See `orchestrator.redis.script_call`.

`shard` holds the keys of the call queue that the script changes in the same step. It is None in a cluster, where the
queue lies in another slot: what is then still to be done there, the reply says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from orchestrator.conversation.turn import Turn
from orchestrator.events.outbox import Delivery
from orchestrator.events.redis.scripts import NOTHING, Announced, delivery_of
from orchestrator.redis import keys
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, flag, ignored, lua_script, optional
from orchestrator.schedule.redis.scripts import UNCHANGED, Scheduled
from orchestrator.turns.admission import Limits
from orchestrator.turns.ended_early import ENDED_EARLY_MS
from orchestrator.turns.redis.admission_scripts import begun_args
from orchestrator.turns.redis.lane import ANYONES, Lane
from orchestrator.turns.redis.lease_scripts import Grant, grant_of
from orchestrator.turns.redis.queue_scripts import GRACE_MS, JOB_FUNCTION, JOB_ID_PREFIX, queue_keys
from orchestrator.turns.store import Lease

ELSEWHERE: Literal["elsewhere"] = "elsewhere"
"""Stands for the version of a state that another store keeps, and has written."""
GONE: Literal["gone"] = "gone"
"""Stands for the version of a state that no longer exists, or that nobody can read."""

FRESH_MS = 2500
"""No grant is pushed to a worker that has not said for so long that it lives: it may be frozen."""
MOST_PUSHED_BYTES = 65_536
"""A call with a larger state is claimed from the queue: what is pushed waits in the server until it is read."""

ExpectedVersion = int | Literal["elsewhere", "gone"]


@dataclass(slots=True)
class Submitted:
    """What became of a turn. `result` is the JSON of a `recorded` one; `created` says that its call began with it.

    `is_to_be_looked_at`: the call's outbox has news, of which its shard may not know yet. `lane` is where the call's
    job is to be queued, in a cluster.
    """

    status: Literal["recorded", "waiting", "queued", "unknown", "ended", "refused", "too_often", "crowded"]
    result: bytes = b""
    created: bool = False
    is_to_be_looked_at: bool = False
    lane: Lane = ANYONES


def submit(
    *,
    turn: Turn,
    turn_json: str | bytes,
    notice: str | bytes,
    shard: ShardKeys | None,
    listener: str,
    wants_tokens: bool,
    opening_json: bytes,
    limits: Limits,
    elsewhere_since: str | None,
    keep_ms: int,
    running_ms: int,
    room: str | None = None,
    pushed_lease_ms: int = 0,
    announced: Announced = NOTHING,
    is_admitted: bool = False,
    tenant: str = "",
) -> ScriptCall[Submitted]:
    """Put a turn into its call's inbox, once, and queue the call's job.

    `turn_json` is the turn as it is stored, `notice` what the holder of its call is told of it. `opening_json` is a
    state to begin an unknown call with, or b""; `limits` hold for that alone. In a cluster a call with one is
    `refused`: see whether it may begin, and submit it again as one that `is_admitted`. `elsewhere_since` is when a
    state was created that another store keeps; None: the state is in this Redis. The call lives for `keep_ms` from now
    if it begins, and for `running_ms` at least while the turn waits. With `room`, the key of the workers that have
    some, a worker is granted the call for `pushed_lease_ms` if that can be done at once. What is `announced` is written
    if the call begins; with the keys of the outbox alone, the provider's word that the call is over is noted there.
    `tenant` is whose call it is that begins.
    """
    call_sid = turn.call_sid
    is_here = shard is not None and elsewhere_since is None
    limited = [keys.limited_calls(limits.limited_as)] if limits.limited_as and is_here else []
    begun = limits.begun if is_here else None
    # Nobody can say here how many calls there are: any limit refuses one that begins.
    limit = 0 if limits.all is None and limits.limited_as and shard is None and not is_admitted else limits.all
    return ScriptCall(
        lua_script("submit"),
        [*keys.call(call_sid).all, *queue_keys(shard, call_sid, room), *announced.keys, *limited,
         *([keys.begun_calls(begun.name)] if begun is not None else [])],
        [
            call_sid, turn.turn_id, turn_json, listener, flag(wants_tokens),
            flag(turn.kind == "ended"), opening_json, keep_ms, optional(limit), JOB_ID_PREFIX + call_sid,
            JOB_FUNCTION, GRACE_MS, flag(elsewhere_since is not None), keys.control_channel(""), notice,
            elsewhere_since or "", ENDED_EARLY_MS, running_ms, pushed_lease_ms,
            keys.PRESENCE_MS - FRESH_MS, MOST_PUSHED_BYTES, len(announced.keys),
            limits.limited_as, optional(limits.most), flag(bool(limited)), tenant, *begun_args(begun),
            *announced.args,
        ],
        _submitted,
    )  # fmt: skip


def _submitted(reply: Sequence[bytes]) -> Submitted:
    status = cast(Any, reply[0].decode())
    if status not in ("queued", "waiting"):
        return Submitted(status, reply[1] if status == "recorded" else b"")
    lane = Lane(*(part.decode() for part in reply[3:5]))
    return Submitted(status, created=reply[1] == b"created", is_to_be_looked_at=reply[2] == b"1", lane=lane)


def ended_early(*, call_sid: str, note: bool) -> ScriptCall[bool]:
    """True if an unknown call cannot begin because it is over already; with `note`, because it is over now."""
    return ScriptCall(lua_script("ended_early"), [keys.call(call_sid).lease], [ENDED_EARLY_MS if note else ""], bool)


def reject(*, call_sid: str, turn_id: str, result_json: str | bytes, message: str | bytes) -> ScriptCall[bool]:
    """Settle a waiting turn with a result, without running it. False: it runs, or no longer waits."""
    call = keys.call(call_sid)
    return ScriptCall(
        lua_script("reject"),
        [call.inbox, call.turns, call.lease, call.listeners],
        [turn_id, result_json, message],
        bool,
    )


def publish(*, lease: Lease, message: str | bytes) -> ScriptCall[bool]:
    """Send a piece of a reply to the call's listeners. False: the lease is lost."""
    call = keys.call(lease.call_sid)
    return ScriptCall(
        lua_script("publish"),
        [call.lease, call.listeners],
        [lease.holder, lease.epoch, message],
        lambda reply: int(reply) >= 0,
    )


def publish_result(*, call_sid: str, message: str | bytes) -> ScriptCall[None]:
    """Send a result, which replicas have confirmed, to the call's listeners."""
    return ScriptCall(lua_script("publish_result"), [keys.call(call_sid).listeners], [message], ignored)


@dataclass(slots=True)
class Committed:
    """What became of a commit. `next` is the next turn, under the same lease; `stored` the state that is there instead.

    `left_turns` says that turns wait and that the call's job is still to be queued. `delivery` are events that the
    holder is to deliver now.
    """

    status: Literal["committed", "recorded", "conflict", "gone", "lost"]
    next: Grant | None
    stored: bytes | None
    left_turns: bool
    delivery: Delivery | None = None


def commit(
    *,
    lease: Lease,
    turn_id: str,
    expected: ExpectedVersion,
    state_json: bytes,
    keep_ms: int,
    result_json: str | bytes,
    message: str | bytes,
    is_over: bool,
    keep_lease: bool,
    lease_ms: int,
    results_ms: int,
    shard: ShardKeys | None,
    room: str | None = None,
    scheduled: Scheduled = UNCHANGED,
    announced: Announced = NOTHING,
) -> ScriptCall[Committed]:
    """Settle a turn: write its state if the stored version is the expected one, record its result, publish `message`.

    Without a message it is published later. `keep_lease` goes on with the next waiting turn. The call lives for
    `keep_ms`; its results for `results_ms` once no turn waits. With `room`, a holder that releases the lease has room
    for one more. What is `scheduled` and `announced` is written if the turn is.
    """
    call_sid = lease.call_sid
    return ScriptCall(
        lua_script("commit"),
        [*keys.call(call_sid).all, *queue_keys(shard, call_sid, room), *scheduled.keys, *announced.keys],
        [
            call_sid, lease.holder, lease.epoch, turn_id, "" if expected == ELSEWHERE else expected, state_json,
            keep_ms, result_json, message, flag(is_over), flag(keep_lease), lease_ms, JOB_ID_PREFIX + call_sid,
            JOB_FUNCTION, results_ms, len(announced.keys), len(scheduled.keys), len(scheduled.args),
            *scheduled.args, *announced.args,
        ],
        lambda reply: _committed(lease, state_json or None, announced, reply),
    )  # fmt: skip


def _committed(lease: Lease, written: bytes | None, announced: Announced, reply: Sequence[Any]) -> Committed:
    status, following, stored, *granted = reply
    left_turns = following == b"left"
    grant = None
    if following and not left_turns:
        attempt, ending, streamed, turn_json, interruption_json, turn_id = following
        state_json = None if status == b"gone" else stored or written
        grant = grant_of(
            lease.call_sid, lease.holder,
            (lease.epoch, attempt, ending, streamed, turn_json, interruption_json, state_json, turn_id),
        )  # fmt: skip
    delivery = delivery_of(lease.call_sid, lease.holder, announced.cipher, granted[0]) if granted else None
    return Committed(status.decode(), grant, stored, left_turns, delivery)
