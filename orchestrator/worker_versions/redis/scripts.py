"""The calls of the scripts about rollout plans. See `orchestrator.redis.script_call`."""

from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, flag, lua_script
from orchestrator.worker_versions.plan import RolloutPlan

LIFE_MS = 30 * 24 * 3600 * 1000
"""How long a plan is kept after a worker that knows it has last renewed it."""


def write_rollout(*, shard: ShardKeys, plan: RolloutPlan, is_change: bool) -> ScriptCall[bool]:
    """Write `plan` in the place of the revision before it (`is_change`), or of any older one: a copy.

    False, and nothing is written, if another plan is there. Else its life is renewed.
    """
    pairs = [text for pair in plan.fields().items() for text in pair]
    return ScriptCall(
        lua_script("write_rollout"),
        [shard.rollout],
        [plan.revision, LIFE_MS, flag(is_change), plan.change, *pairs],
        bool,
    )
