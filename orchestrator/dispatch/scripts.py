"""The call of the script by which an ingress takes a call over. See `orchestrator.redis.script_call`."""

from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script


def take_over_call(*, call_sid: str, channel: str) -> ScriptCall[list[bytes]]:
    """Listen to the call on `channel` from now on. The channels that listened before."""
    return ScriptCall(lua_script("take_over_call"), [keys.call(call_sid).listeners], [channel], list)
