"""The call of the script that exchanges seal keys. See `orchestrator.redis.script_call`."""

from collections.abc import Sequence
from typing import Any

from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script, text


def exchange_seal_keys(
    *, proposed: str, used: Sequence[str], life_ms: int, most_fields: int
) -> ScriptCall[tuple[int, str, tuple[str, ...]]]:
    """Propose a seal key ("" for none) and say which keys were `used` before.

    How long ago (ms) the exchange began, the current key or "", and the others that are in use.
    """
    return ScriptCall(
        lua_script("exchange_seal_keys"), [keys.SEAL_KEYS], [proposed, life_ms, most_fields, *used], _seal_keys
    )


def _seal_keys(reply: Sequence[Any]) -> tuple[int, str, tuple[str, ...]]:
    age_ms, current, *others = reply
    return int(age_ms), text(current), tuple(map(text, others))
