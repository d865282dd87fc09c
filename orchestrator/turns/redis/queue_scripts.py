"""The calls of the scripts that change the call queue alone. See `orchestrator.redis.script_call`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import unquote

from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, ignored, lua_script
from orchestrator.turns.redis.lane import ANYONES, Lane

JOB_FUNCTION = "run_turns"
JOB_ID_PREFIX = "turns:"
GRACE_MS = 1000
"""A queued call must be claimed within that time; then the rescuer queues it again."""
LOOKED_AT = 1000
"""Jobs of arq itself are looked for among so many of a queue's oldest: a worker has a handful of them."""


def queue_keys(shard: ShardKeys | None, call_sid: str, room: str | None = None) -> list[str]:
    """Return the keys of the call's queue in the order in which scripts take them; none without a shard.

    `room` is the key of the workers to which grants are pushed; None: none are.
    """
    if shard is None:
        return []
    pushing = [] if room is None else [room]
    return [shard.calls, shard.due, shard.queue, shard.wake, shard.job(JOB_ID_PREFIX + call_sid), *pushing]


def rescue_calls(*, shard: ShardKeys, most: int, again_ms: int, grace_ms: int, silent_ms: int) -> ScriptCall[list[str]]:
    """Queue jobs for due calls whose turns wait without a lease holder. Their SIDs.

    Each is looked at again after `again_ms`. After `grace_ms` without a rescue nothing is queued for as long, so that
    leases can be renewed first; `silent_ms` is the longest time without an answer of Redis to the caller since its
    last search.
    """
    return ScriptCall(
        lua_script("rescue_calls"),
        [shard.due, shard.queue, shard.wake, shard.rounds],
        [most, again_ms, JOB_ID_PREFIX, shard.job(""), JOB_FUNCTION, grace_ms, silent_ms, keys.STATE_PREFIX],
        lambda reply: [text_of(call_sid) for call_sid in reply],
    )


def count_queued(*, shard: ShardKeys) -> ScriptCall[int]:
    """How many calls are on the shard's queue, in all of its lanes."""
    args = [JOB_ID_PREFIX, LOOKED_AT]
    return ScriptCall(lua_script("count_queued"), [shard.queue, shard.versions], args, int)


def oldest_waits(*, shard: ShardKeys) -> ScriptCall[dict[str, float]]:
    """For how long (s) the oldest turn of each tenant has waited in the shard's queue; "" is nobody's in particular."""
    return ScriptCall(lua_script("oldest_waits"), [shard.queue, shard.versions], [JOB_ID_PREFIX], _waits)


def _waits(reply: Sequence[bytes]) -> dict[str, float]:
    return {unquote(text_of(tag)): int(wait) / 1000 for tag, wait in zip(reply[::2], reply[1::2], strict=True)}


def list_waiting_calls(*, shard: ShardKeys, for_ms: int, most: int) -> ScriptCall[dict[str, float]]:
    """Which calls of the shard have waited for a worker for at least `for_ms`, and for how long (s)."""
    args = [JOB_ID_PREFIX, for_ms, most]
    places = [shard.queue, shard.versions, shard.due]
    return ScriptCall(lua_script("list_waiting_calls"), places, args, _waiting_calls)


def _waiting_calls(reply: Sequence[bytes]) -> dict[str, float]:
    return {text_of(name): int(wait) / 1000 for name, wait in zip(reply[::2], reply[1::2], strict=True)}


def keep_version(*, shard: ShardKeys, holder: str, version: str, life_ms: int) -> ScriptCall[int]:
    """Say that the worker takes calls that are pinned to its version, for `life_ms` from now."""
    workers = shard.version_workers(version)
    return ScriptCall(lua_script("keep_version"), [workers, shard.versions], [holder, life_ms, version], int)


def leave_version(*, shard: ShardKeys, holder: str, version: str) -> ScriptCall[int]:
    """Say that the worker takes no more calls. How many jobs are anyone's now: if it was the last of its version."""
    return ScriptCall(
        lua_script("leave_version"), [shard.queue, shard.version_workers(version)], [holder, version], int
    )


def queue_call(
    *, shard: ShardKeys, call_sid: str, life_ms: int, look: bool = False, lane: Lane = ANYONES
) -> ScriptCall[None]:
    """Cluster: queue the job of a call whose inbox has a turn into its `lane`. The call counts as active for `life_ms`.

    With `look`, somebody is to look at its outbox.
    """
    return ScriptCall(
        lua_script("queue_call"),
        [*queue_keys(shard, call_sid), *([shard.agenda] if look else [])],
        [call_sid, life_ms, GRACE_MS, JOB_ID_PREFIX + call_sid, JOB_FUNCTION, lane.version, lane.tenant],
        ignored,
    )


def ensure_due(*, shard: ShardKeys, call_sid: str) -> ScriptCall[None]:
    """Cluster: put a call into `due` unless it is there."""
    return ScriptCall(lua_script("ensure_due"), [shard.due], [call_sid], ignored)


@dataclass(slots=True)
class DueCall:
    """An entry of `due`, which stands until its `score` changes. `name` may be anything that somebody put there."""

    name: bytes
    score: bytes


def take_due_calls(
    *, shard: ShardKeys, most: int, again_ms: int, grace_ms: int, silent_ms: int
) -> ScriptCall[list[DueCall]]:
    """Cluster: the calls that are due now; each is due again after `again_ms`. The rest as for `rescue_calls`."""
    return ScriptCall(
        lua_script("take_due_calls"), [shard.due, shard.rounds], [most, again_ms, grace_ms, silent_ms],
        lambda reply: [DueCall(*entry) for entry in zip(reply[::2], reply[1::2], strict=True)],
    )  # fmt: skip


@dataclass(slots=True)
class CallStanding:
    """How a call stands: `held` (its turn runs or is paused) and `waits` (nobody runs its turns) have waiting turns.

    `milliseconds`: how long a held one is held, or the state of an idle one lives, 0 if the call is over.
    """

    name: Literal["held", "waits", "idle"]
    milliseconds: int
    lane: Lane = ANYONES


def inspect_call(*, call_sid: str) -> ScriptCall[CallStanding]:
    """Cluster: read how a call stands, from the call's own keys."""
    call = keys.call(call_sid)
    return ScriptCall(lua_script("inspect_call"), [call.state, call.inbox, call.turns, call.lease], [], _standing)


def _standing(reply: Sequence[Any]) -> CallStanding:
    name, milliseconds, *lane = reply
    return CallStanding(cast(Any, name.decode()), int(milliseconds), Lane(*map(text_of, lane)))


def settle_due_call(*, shard: ShardKeys, call_sid: str, score: bytes, standing: CallStanding) -> ScriptCall[bool]:
    """Cluster: correct the call's queue after `inspect_call`, unless its entry in `due` has changed since.

    True if a job was queued.
    """
    return ScriptCall(
        lua_script("settle_due_call"),
        queue_keys(shard, call_sid),
        [
            call_sid, score, standing.name, standing.milliseconds, JOB_ID_PREFIX + call_sid, JOB_FUNCTION,
            standing.lane.version, standing.lane.tenant,
        ],
        bool,
    )  # fmt: skip
