"""The call of the script that writes a value anew. See `orchestrator.redis.script_call`."""

from orchestrator.redis.script_call import ScriptCall, lua_script


def replace_value(*, key: str, field: str, before: bytes, after: bytes) -> ScriptCall[bool]:
    """Write `after` where `before` is. With a `field`, the key is a hash. False: something else is there by now."""
    return ScriptCall(lua_script("replace_value"), [key], [field, before, after], bool)
