"""The calls of the scripts that count relay documents. See `orchestrator.redis.script_call`."""

from collections.abc import Sequence
from typing import Any

from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script, text


def next_relay_document(*, call_sid: str, over: int, life_ms: int) -> ScriptCall[tuple[int, float]]:
    """Issue the next number of a relay document, and end the one numbered `over` (0: none). Number and Unix time."""
    return ScriptCall(lua_script("next_relay_document"), [keys.relay_documents(call_sid)], [over, life_ms], _numbered)


def _numbered(reply: Sequence[Any]) -> tuple[int, float]:
    number, at_ms = reply
    return int(number), int(at_ms) / 1000


def enter_relay_document(
    *, call_sid: str, number: int, holder: str, made_at_ms: int | None, ticket_ms: int, instead_of: str, life_ms: int
) -> ScriptCall[tuple[str, str, str]]:
    """Begin the session of a relay document. Its standing ("entered", "again", "old" or "stale"), who holds it, and
    with "entered" who held the call's session before, or "".

    The document may be `ticket_ms` old; with `made_at_ms` None its session has begun already, while Redis was down.
    `instead_of` is a holder that is gone, or "".
    """
    made_at = "" if made_at_ms is None else made_at_ms
    args = [number, holder, made_at, ticket_ms, instead_of, life_ms]
    return ScriptCall(lua_script("enter_relay_document"), [keys.relay_documents(call_sid)], args, _standing)


def _standing(reply: Sequence[Any]) -> tuple[str, str, str]:
    standing, holder, *before = reply
    return text(standing), text(holder), text(before[0]) if before else ""
