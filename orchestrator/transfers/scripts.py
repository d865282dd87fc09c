"""The call of the script that notes who takes a call. See `orchestrator.redis.script_call`."""

from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script


def answer_field(by: str, target: int) -> str:
    """Return the hash's field for one person among the targets of the transfer by that turn."""
    return f"{by}/{target}"


def note_transfer_answer(*, call_sid: str, by: str, target: int, leg: str, life_ms: int) -> ScriptCall[None]:
    """Note the leg of a person who takes a call."""
    args = [answer_field(by, target), leg, life_ms]
    return ScriptCall(lua_script("note_transfer_answer"), [keys.transfer_answers(call_sid)], args, lambda _: None)
