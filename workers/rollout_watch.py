"""A worker's part in a rollout: it reports how turns end while a version is ramped, and keeps the plan's copies alive.

Without a plan it does nothing, and asks Redis nothing: heartbeats tell whether there is one.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.errors import StoreUnavailable
from orchestrator.worker_versions.changes import told
from orchestrator.worker_versions.outcomes import TurnOutcomes
from orchestrator.worker_versions.plan import RolloutPlan
from orchestrator.worker_versions.redis.plan_store import RolloutPlans

logger = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
READ_EVERY = 5
"""The plan is read once in so many rounds: with the heartbeats."""
RENEW_EVERY = 60
"""Its copies are read, repaired and renewed once in so many rounds."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is reported in one go: whether turns failed, up to that `number`, of the ramp that began then."""

    ramp_began: float
    number: int
    failures: list[bool]


class RolloutWatch:
    """Watches the plan for a worker of `version`. `seconds` are between two rounds. `on_rolled_back` is called with the
    plan's revision and what happened, in a sentence."""

    def __init__(
        self,
        plans: RolloutPlans,
        outcomes: TurnOutcomes,
        holder: str,
        version: str,
        seconds: float = REPORT_SECONDS,
        on_rolled_back: Callable[[int, str], None] = lambda revision, told: None,
    ) -> None:
        self._plans = plans
        self._outcomes = outcomes
        self._holder = holder
        self._version = version
        self._seconds = seconds
        self._on_rolled_back = on_rolled_back
        self._has_plan = asyncio.Event()
        self._plan = RolloutPlan()
        self._round = 0
        self._reported = 0
        """How many turns had ended when they were last reported."""
        self._batch = 0
        self._unanswered: Batch | None = None

    def noticed(self, has_plan: bool) -> None:
        """Take note of whether there is a plan, as a heartbeat has found."""
        if has_plan:
            self._has_plan.set()

    @property
    def is_watching(self) -> bool:
        """True while there is a plan, as far as is known."""
        return self._has_plan.is_set()

    @property
    def revision(self) -> int:
        """Return the revision of the plan that is known."""
        return self._plan.revision

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._has_plan.wait()
            try:
                await self._watch()
            except StoreUnavailable:
                logger.debug("The rollout plan could not be read")
            except Exception:  # this task must not end: no other one of this worker reports
                logger.exception("The rollout plan cannot be watched; report this", extra={"action": "rollout.failed"})
            await asyncio.sleep(self._seconds)

    async def _watch(self) -> None:
        if self._round % READ_EVERY == 0:
            latest = await self._plans.latest()
            if latest.revision == self._plan.revision and latest.change != self._plan.change:
                self._plan = replace(self._plan, revision=0)  # a failover lost ours, and another change got its number
            await self._follow(latest.revision)
        if self._round % RENEW_EVERY == RENEW_EVERY - 1:
            await self._plans.renew(await self._plans.read())
        self._round += 1
        if not self._plan.is_active:
            self._has_plan.clear()
            self._round = 0
        elif self._plan.ramping and self._version in (self._plan.ramping, self._plan.current):
            await self._report(self._plan)

    async def _follow(self, revision: int) -> None:
        """Read the plan if it has another revision than the one that is known. What shards lack is written.

        An older one means that Redis has lost the plan, as a failover may: it gets the one that is known.
        """
        if revision < self._plan.revision:
            await self._plans.renew(self._plan)
        elif revision > self._plan.revision:
            began, self._plan = self._plan.ramp_began, await self._plans.read()
            if self._plan.ramp_began != began:
                self._reported = 0

    async def _report(self, plan: RolloutPlan) -> None:
        """Report the turns that have ended since the last report; those of the ramping version since the ramp began."""
        batch = self._unanswered
        if batch is None or batch.ramp_began != plan.ramp_began:
            since = plan.ramp_began if self._version == plan.ramping else 0.0
            failures = self._outcomes.after(self._reported, since)
            batch = Batch(plan.ramp_began, self._outcomes.total, failures)
        if batch.failures:
            self._unanswered = batch  # which is repeated as it is: under its number it counts once
            report = await self._plans.report(plan, self._holder, self._version, self._batch + 1, batch.failures)
            self._unanswered = None
            self._batch += 1
            self._reported = batch.number
            if report.ends_ramp:
                self._log_end(plan, await self._plans.latest())
            await self._follow(report.revision)

    def _log_end(self, plan: RolloutPlan, after: RolloutPlan) -> None:
        counts = after.rollback.counts() if after.rollback else "it failed more often than the last turns"
        self._on_rolled_back(after.revision, f"{plan.ramping}: {counts} of {plan.current}.")
        logger.warning(
            "Rolled %s back, which was ramped to %g %%: %s of %s. %s",
            plan.ramping, plan.percent, counts, plan.current, told(after),
            extra={"action": "rollout.rolled_back", "version": plan.ramping},
        )  # fmt: skip
