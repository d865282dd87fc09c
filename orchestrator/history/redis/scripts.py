"""The call of the script that adds to a minute of the history. See `orchestrator.redis.script_call`."""

from orchestrator.history.amounts import KEPT_SECONDS, MINUTE, MOST_BYTES, MOST_NAMES
from orchestrator.history.store import CLOSED_SECONDS, Batch
from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script

BATCH_LIFE_MS = 3600 * 1000
NOTICED_EARLY_SECONDS = CLOSED_SECONDS / 2
"""A change counts as late so much before readers take a minute for closed: none falls between."""


def add_history(*, holder: str, batch: Batch) -> ScriptCall[bool]:
    """Add the batch of the process `holder` to its minute. False if it was added before."""
    pairs = [entry for name, amount in batch.amounts.items() for entry in (name, repr(amount))]
    late_from = (batch.minute + MINUTE + NOTICED_EARLY_SECONDS) * 1000
    return ScriptCall(
        lua_script("add_history"),
        [keys.history_minute(batch.minute), keys.last_history_batch(holder), keys.HISTORY_CHANGES],
        [batch.number, int(late_from), KEPT_SECONDS * 1000, BATCH_LIFE_MS, MOST_NAMES, MOST_BYTES, *pairs],
        bool,
    )
