"""The calls of the scripts that concern the server and its keys alone. See `script_call`."""

from collections.abc import Sequence
from typing import Any

from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script, text


def server_time(*, key: str) -> ScriptCall[float]:
    """Read the server's time as Unix seconds. In a cluster, the node that serves `key` is asked."""
    return ScriptCall(lua_script("server_time"), [key], [], seconds)


def seconds(reply: Sequence[Any]) -> float:
    """Return what TIME answers as Unix seconds."""
    whole, microseconds = reply
    return int(whole) + int(microseconds) / 1_000_000


def set_aside(*, key: str, wanted_type: str, keep_ms: int) -> ScriptCall[str]:
    """Rename `key` if it holds another type than `wanted_type`. The type it held, or "" if nothing was done."""
    return ScriptCall(lua_script("set_aside"), [key, keys.aside(key)], [wanted_type, keep_ms], text)


def rebuild_inbox(*, inbox: str, life_ms: int) -> ScriptCall[int]:
    """Make a call's missing inbox from its waiting turns. How many turns wait."""
    return ScriptCall(lua_script("rebuild_inbox"), [inbox, keys.turns_beside(inbox)], [life_ms], int)
