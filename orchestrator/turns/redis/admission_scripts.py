"""The calls of the scripts that count the calls of a limit. See `orchestrator.redis.script_call`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.redis.script_call import ScriptCall, flag, lua_script, optional
from orchestrator.turns.call_rates import Counted


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is taken: by which call, and since when, as Redis wrote it. `milliseconds` is how long that is."""

    call_sid: str
    since: bytes
    milliseconds: float


def admit_call(
    *, call_sid: str, limited_as: str, most: int | None, life_ms: int, over: Sequence[Line] = ()
) -> ScriptCall[list[Line]]:
    """Take a line for a call, or only ask, if it has no SID. Those who have all lines; none: it has one.

    Lines of calls that are `over` are free.
    """
    free = [value for line in over for value in (line.call_sid, line.since)]
    return ScriptCall(
        lua_script("admit_call"), [keys.limited_calls(limited_as)], [call_sid, optional(most), life_ms, *free], _lines
    )


def _lines(reply: Sequence[Any]) -> list[Line]:
    if reply[0] == 1:
        return []
    _, now, taken = reply
    return [
        Line(text_of(call_sid), since, now - float(since))
        for call_sid, since in zip(taken[::2], taken[1::2], strict=True)
    ]


def begun_args(begun: Counted | None) -> list[Any]:
    """Return as what a call counts that is to begin, as scripts take it."""
    return ["", "", ""] if begun is None else [begun.one, begun.rate.count, begun.rate.seconds * 1000]


def count_begun(*, begun: Counted) -> ScriptCall[float]:
    """Count a call that is to begin; 0, or how long it is until another may (s)."""
    return ScriptCall(
        lua_script("count_begun"),
        [keys.begun_calls(begun.name)],
        [*begun_args(begun), flag(begun.is_remembered)],
        lambda reply: int(reply) / 1000,
    )


def is_over(*, call_sid: str) -> ScriptCall[str]:
    """Read "over", "live" or "unknown": it has no state in this Redis."""
    call = keys.call(call_sid)
    return ScriptCall(lua_script("is_over"), [call.state, call.lease], [], bytes.decode)
