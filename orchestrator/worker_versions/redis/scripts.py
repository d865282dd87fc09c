"""The calls of the scripts about rollout plans. See `orchestrator.redis.script_call`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, lua_script
from orchestrator.worker_versions.outcomes import WINDOW
from orchestrator.worker_versions.plan import RolloutPlan, time_text

LIFE_MS = 30 * 24 * 3600 * 1000
"""How long a plan is kept after a worker that knows it has last renewed it."""


def write_rollout(*, shard: ShardKeys, plan: RolloutPlan) -> ScriptCall[bool]:
    """Write `plan` in the place of an older one, or renew its life.

    False, and nothing is written, if another plan with this revision or a later one is there.
    """
    pairs = [text for pair in plan.fields().items() for text in pair]
    return ScriptCall(
        lua_script("write_rollout"),
        [shard.rollout],
        [plan.revision, LIFE_MS, plan.change, *pairs],
        bool,
    )


LEAST_TURNS = 20
"""So many of the ramping version's last turns must be known before its ramp is ended."""
MARGIN_PERCENT = 10
"""A ramp is ended if the ramping version's failure rate is that much higher than the current one's."""
MOST_WORKERS = 2000
"""Outcomes begin anew if more workers have reported since the ramp began."""


@dataclass(frozen=True, slots=True)
class Reported:
    """`revision` is that of the plan now. `ends_ramp`: the report was what ended the ramp."""

    revision: int
    ends_ramp: bool


def report_outcomes(
    *, shard: ShardKeys, version: str, holder: str, number: int, failures: Sequence[bool], ramp_began: float
) -> ScriptCall[Reported]:
    """Add the worker's batch `number`: whether each of its version's last turns failed. End the ramp if it must be.

    Nothing is added if the plan has another ramp than the one that began then.
    """
    turns = "".join("1" if failed else "0" for failed in failures)
    return ScriptCall(
        lua_script("report_outcomes"),
        [shard.rollout, shard.rollout_outcomes],
        [
            version, holder, number, turns, time_text(ramp_began),
            WINDOW, LEAST_TURNS, MARGIN_PERCENT, LIFE_MS, MOST_WORKERS,
        ],
        _reported,
    )  # fmt: skip


def _reported(reply: Sequence[Any]) -> Reported:
    revision, ends_ramp = reply
    return Reported(int(revision), bool(ends_ramp))
