"""The call of the script that adds counts. See `orchestrator.redis.script_call`."""

from collections.abc import Mapping

from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script


def add_counts(
    *, holder: str, number: int, amounts: Mapping[str, float], life_ms: int, batch_life_ms: int, most: int
) -> ScriptCall[bool]:
    """Add the worker's batch `number` to the counts of all workers. False if it was added before."""
    pairs = [entry for name, amount in amounts.items() for entry in (name, repr(amount))]
    return ScriptCall(
        lua_script("add_counts"),
        [keys.FLEET_COUNTS, keys.last_batch(holder)],
        [number, life_ms, batch_life_ms, most, *pairs],
        bool,
    )
