"""The calls of the scripts that read and write states and the index of active calls. See `redis.script_call`.

`shard` holds the index keys that a script changes in the same step. It is None in a cluster, where the index lies in
another slot than the state: `index_call` and `keep_indexed` change it there.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from orchestrator.redis import keys
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, flag, ignored, lua_script


def _index(shard: ShardKeys | None) -> list[str]:
    return [] if shard is None else [shard.calls]


def create_state(
    *, call_sid: str, state_json: bytes, life_ms: int, is_active: bool, shard: ShardKeys | None
) -> ScriptCall[bytes | str | None]:
    """Begin a call. The JSON of the state that is there already, or None: the given one was written."""
    return ScriptCall(
        lua_script("create_state"),
        [keys.state(call_sid), *_index(shard)],
        [call_sid, state_json, life_ms, flag(is_active)],
        lambda reply: reply or None,
    )


def update_state(
    *, call_sid: str, state_json: bytes, life_ms: int, is_active: bool, expected: int, shard: ShardKeys | None
) -> ScriptCall[bool]:
    """Write a state if the stored version is the expected one. False: it is another, or there is none."""
    return ScriptCall(
        lua_script("update_state"),
        [keys.state(call_sid), *_index(shard)],
        [call_sid, state_json, life_ms, flag(is_active), expected],
        lambda reply: int(reply) == expected,
    )


def keep_state(*, call_sid: str, life_ms: int, shard: ShardKeys | None) -> ScriptCall[bool]:
    """Let a call live for `life_ms` from now at least. False: there is no state."""
    call = keys.call(call_sid)
    own = [call.state, call.inbox, call.turns, call.lease]
    return ScriptCall(lua_script("keep_state"), [*own, *_index(shard)], [call_sid, life_ms], bool)


def delete_state(*, call_sid: str, shard: ShardKeys | None) -> ScriptCall[bool]:
    """Delete a call, but for the epoch of its lease. False: there was no state."""
    call = keys.call(call_sid)
    others = [keys.schedule(call_sid), keys.transfer_answers(call_sid)]
    own = [call.state, call.inbox, call.turns, call.listeners, call.lease, *others]
    shared = [] if shard is None else [shard.calls, shard.due, shard.schedules]
    return ScriptCall(lua_script("delete_state"), [*own, *shared], [call_sid], bool)


def index_call(*, shard: ShardKeys, call_sid: str, life_ms: int, is_active: bool, only_renew: bool) -> ScriptCall[None]:
    """Cluster: bring the index up to date for one call. `only_renew` adds no entry for an active call."""
    args = [call_sid, life_ms, flag(is_active), flag(only_renew)]
    return ScriptCall(lua_script("index_call"), [shard.calls], args, ignored)


def keep_indexed(*, shard: ShardKeys, call_sid: str, life_ms: int) -> ScriptCall[None]:
    """Cluster: let an active call's entry stand in the index for `life_ms` from now at least."""
    return ScriptCall(lua_script("keep_indexed"), [shard.calls], [call_sid, life_ms], ignored)


def count_calls(*, shard: ShardKeys) -> ScriptCall[int]:
    """Count the active calls of the shard."""
    return ScriptCall(lua_script("count_calls"), [shard.calls], [], int)


def list_calls(*, shard: ShardKeys) -> ScriptCall[list[bytes | str]]:
    """Read the names of the shard's active calls. What stands there may be no call SID."""
    return ScriptCall(lua_script("list_calls"), [shard.calls], [], list)


class WrittenCalls(NamedTuple):
    """How many calls of a shard are `active`, and the latest `calls`, each with its score, the latest first."""

    active: int
    calls: list[tuple[bytes | str, float]]


def list_written_calls(*, shard: ShardKeys, since: str, most: int) -> ScriptCall[WrittenCalls]:
    """Read which calls of the shard were written last: those with the score `since` or a higher one; "": all."""
    return ScriptCall(lua_script("list_written_calls"), [shard.calls], [since, most], _written)


def _written(reply: Any) -> WrittenCalls:
    active, listed = reply
    return WrittenCalls(
        int(active), [(name, float(score)) for name, score in zip(listed[::2], listed[1::2], strict=True)]
    )


def prune_calls(*, shard: ShardKeys) -> ScriptCall[int]:
    """Take expired calls off the index. How many there were."""
    return ScriptCall(lua_script("prune_calls"), [shard.calls], [], int)


def forget_calls(*, shard: ShardKeys, scores: Mapping[str, float]) -> ScriptCall[int]:
    """Take calls off the index unless their scores are others by now. How many were taken off."""
    args: list[Any] = [value for call_sid, score in scores.items() for value in (call_sid, repr(score))]
    return ScriptCall(lua_script("forget_calls"), [shard.calls], args, int)
