"""What is known of all versions: who runs each, how many calls are pinned to it, how its turns end. No I/O."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from orchestrator.sentence import Sentence
from orchestrator.settings.checks import is_version_name
from orchestrator.worker_versions.changes import plan_sentence
from orchestrator.worker_versions.plan import RolloutPlan, Tally, percent_text

VersionState = Literal["inactive", "ramping", "current", "draining", "drained"]
ORDER: tuple[VersionState, ...] = ("current", "ramping", "draining", "inactive", "drained")
MOST_VERSIONS = 50
"""How many versions are told of."""


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One version. `share` is the percentage of the new calls that begin at it; None where any version may get them.

    `workers` take new turns; `leaving` drain. `calls` are pinned to it. `turns` is how many its living workers have run
    since they began, `tally` how many of their last ones failed.
    """

    version: str
    state: VersionState
    share: float | None
    workers: int
    leaving: int
    calls: int
    turns: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class PinnedCalls:
    """How many active calls are pinned to each version; "" counts those that are pinned to none.

    `is_partial`: there are more calls, which were not looked at.
    """

    by_version: Mapping[str, int]
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """The plan and all versions that somebody runs, that calls are pinned to, or that the plan has given calls to."""

    plan: RolloutPlan
    versions: tuple[VersionStatus, ...]
    calls: PinnedCalls

    @property
    def concerns(self) -> list[Sentence]:
        """Return a sentence for each thing that somebody has to look at."""
        return concerns_of(self.plan, {it.version for it in self.versions if it.workers})


def running_versions(workers: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the versions that living workers run which take new turns, those with a name that a key can hold."""
    return {
        str(worker["version"])
        for worker in workers
        if is_version_name(str(worker.get("version", ""))) and not worker.get("lost") and not worker.get("draining")
    }


def overview_of(plan: RolloutPlan, workers: Sequence[Mapping[str, Any]], calls: PinnedCalls) -> Overview:
    """Return the overview, versions that get new calls first. `workers` are what they report of themselves."""
    alive = [worker for worker in workers if worker.get("version") and not worker.get("lost")]
    named = [*(str(worker["version"]) for worker in alive), *calls.by_version, *plan.used, plan.current, plan.ramping]
    versions = [
        _status(version, plan, [worker for worker in alive if str(worker["version"]) == version], calls)
        for version in dict.fromkeys(filter(None, named))
    ]
    versions.sort(key=lambda it: (ORDER.index(it.state), -it.workers, -it.calls, it.version))
    return Overview(plan, tuple(versions[:MOST_VERSIONS]), calls)


def concerns_of(plan: RolloutPlan, running: Iterable[str]) -> list[Sentence]:
    """Return a sentence for each thing that somebody has to look at, where these versions run."""
    found, running = [], set(running)
    if plan.is_active and plan.current not in running:
        lacking = Sentence(
            "current_without_workers", f"No worker runs {plan.current}, so any worker takes its calls.",
            f"Start workers with WORKER_VERSION={plan.current}, promote another version, or end the plan: "
            "voiceagent rollout clear", {"version": plan.current},
        )  # fmt: skip
        found.append(lacking)
    if plan.ramping and plan.ramping not in running:
        message = f"No worker runs {plan.ramping}, so any worker takes its calls."
        found.append(Sentence("ramping_without_workers", message, "", {"version": plan.ramping}))
    return [*found, *rollback_told(plan)]


def rollback_told(plan: RolloutPlan) -> list[Sentence]:
    """Return the sentence that says why the workers have ended the last ramp; none if they have not."""
    if (undone := plan.rollback) is None:
        return []
    return [
        Sentence(
            "rolled_back",
            f"{undone.version} was rolled back by the workers: {undone.counts()} of {plan.current}.",
            "The log of its workers has the errors (agent.failed).",
            {
                "version": undone.version, "current": plan.current, "failed": undone.ramping.failed,
                "seen": undone.ramping.seen, "current_failed": undone.current.failed,
                "current_seen": undone.current.seen,
            },
        )
    ]  # fmt: skip


def described(overview: Overview) -> dict[str, Any]:
    """Return the overview as JSON for machines."""
    plan = overview.plan
    undone = plan.rollback
    return {
        "revision": plan.revision,
        "current": plan.current or None,
        "ramping": plan.ramping or None,
        "percent": plan.percent,
        "previous": plan.previous or None,
        "changed_at": _time(plan.changed_at),
        "rolled_back": None
        if undone is None
        else {"version": undone.version, "turns": _tally(undone.ramping), "current_turns": _tally(undone.current)},
        "versions": [_described(status) for status in overview.versions],
        "unpinned_calls": overview.calls.by_version.get("", 0),
        "is_partial": overview.calls.is_partial,
        "message": plan_sentence(plan).message,
        "concerns": [it.text for it in overview.concerns],
        "says": [it.described() for it in (plan_sentence(plan), *overview.concerns)],
    }


def _described(status: VersionStatus) -> dict[str, Any]:
    return {
        "version": status.version,
        "state": status.state,
        "percent": status.share,
        "workers": status.workers,
        "draining_workers": status.leaving,
        "calls": status.calls,
        "turns": status.turns,
        "last_turns": _tally(status.tally),
        "failure_rate": round(status.tally.rate, 4) if status.tally.seen else None,
    }


def _tally(tally: Tally) -> dict[str, int]:
    return {"seen": tally.seen, "failed": tally.failed}


def _time(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else None


def _status(version: str, plan: RolloutPlan, workers: Sequence[Mapping[str, Any]], calls: PinnedCalls) -> VersionStatus:
    counted: Counter[str] = Counter()
    for worker in workers:
        counted["leaving" if worker.get("draining") else "workers"] += 1
        outcomes = worker.get("outcomes")
        for name in ("turns", "seen", "failed"):
            counted[name] += _whole(outcomes.get(name)) if isinstance(outcomes, Mapping) else 0
    state = state_of(version, plan, is_running=bool(counted["workers"]), calls=calls.by_version.get(version, 0))
    return VersionStatus(
        version=version,
        state=state,
        share=_share(version, plan, state),
        workers=counted["workers"],
        leaving=counted["leaving"],
        calls=calls.by_version.get(version, 0),
        turns=counted["turns"],
        tally=Tally(counted["seen"], counted["failed"]),
    )


def state_of(version: str, plan: RolloutPlan, *, is_running: bool, calls: int) -> VersionState:
    """Return the state of a version: docs/design.md defines each."""
    if version == plan.ramping:
        return "ramping"
    if version == plan.current or (is_running and not plan.is_active):
        return "current"
    if calls:
        return "draining"
    return "inactive" if is_running and version not in plan.used else "drained"


def _share(version: str, plan: RolloutPlan, state: VersionState) -> float | None:
    if state == "ramping":
        return plan.percent
    if state == "current":
        return float(percent_text(100 - plan.percent)) if plan.is_active else None
    return 0.0


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else 0
