"""The audit of versions: each call stays with the one that began it while a worker of it lives, and waits for none."""

from collections import defaultdict
from dataclasses import dataclass

from soak.faults import Injected
from soak.journal import CallJournal, Exchange
from soak.verdict import Verdict
from soak.versions import Plan, Versions
from support.deployment import Deployment

LOOK_BACK_SECONDS = 6.0
"""A turn was queued at most so long before it runs, when nothing befalls Redis; and its version was looked up then."""
AFTERMATH_SECONDS = 4.0
"""After a fault of the network for so long a version may be unknown, though its workers live."""
WAITED_SECONDS = 4.0
"""A turn that takes no longer did not wait for its version."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the agent: of which call, in a worker of which version, and when."""

    call_sid: str
    version: str
    at: float


def runs_by_call(deployment: Deployment) -> dict[str, list[Run]]:
    """All runs of each call, in their order."""
    found: defaultdict[str, list[Run]] = defaultdict(list)
    for key, version, at in deployment.run_notes:
        call_sid = key.split("/")[0]
        found[call_sid].append(Run(call_sid, version, float(at)))
    return {call_sid: sorted(runs, key=lambda run: run.at) for call_sid, runs in found.items()}


def audit_versions(
    deployment: Deployment,
    journals: list[CallJournal],
    versions: Versions,
    faults: list[Injected],
    verdict: Verdict,
) -> None:
    """Compare who ran what with who lived."""
    runs = runs_by_call(deployment)
    witness = _Witness(versions, faults)
    for call_sid, of_call in runs.items():
        _compare_pin(of_call, witness, verdict)
        state = verdict.states.get(call_sid)
        known = {run.version for run in of_call}
        if state is not None and state["turns"] and state.get("worker_version") not in known:
            verdict.wrong.append(f"{call_sid} has the version {state.get('worker_version')!r}; it ran on {known}")
    for journal in journals:
        if of_call := runs.get(journal.call_sid, []):
            _compare_wait(journal, of_call, witness, verdict)
            _compare_plan(journal, of_call[0], versions.plans, witness, verdict)
    verdict.wrong += versions.wrong


def _compare_pin(runs: list[Run], witness: "_Witness", verdict: Verdict) -> None:
    """A call that had to go on at another version stays there."""
    pinned = runs[0].version
    for run in runs[1:]:
        if run.version == pinned:
            verdict.versions["runs on the version of their call"] += 1
        elif living := witness.living(pinned, run.at - LOOK_BACK_SECONDS, run.at):
            verdict.wrong.append(
                f"{run.call_sid} began on version {pinned} and ran on {run.version} at {run.at:.1f}, though "
                f"{living} lived; before: {witness.before(run.at)}"
            )
        else:
            verdict.versions["calls that went on at another version, when none of theirs lived"] += 1
            pinned = run.version


def _compare_wait(journal: CallJournal, runs: list[Run], witness: "_Witness", verdict: Verdict) -> None:
    """A turn that was said while no worker of the call's version ran was not answered only once one ran again."""
    for exchange in journal.exchanges:
        pinned = next((run.version for run in reversed(runs) if run.at <= exchange.sent_at), runs[0].version)
        absence = next(
            (a for a in witness.absences if a.version == pinned and a.began + 2 <= exchange.sent_at <= a.ended - 1),
            None,
        )
        if absence is None or exchange.heard == "abandoned":
            continue
        end = exchange.answered_at or exchange.sound_at
        verdict.versions["turns while no worker of their version ran"] += 1
        others = [v for v in witness.versions if v != pinned and witness.living(v, exchange.sent_at, absence.ended)]
        if others and (end is None or end > absence.ended) and _seconds(exchange, end) > WAITED_SECONDS:
            verdict.wrong.append(f"{journal.call_sid}: {exchange.turn_id} waited for version {pinned}: {exchange}")


def _seconds(exchange: Exchange, end: float | None) -> float:
    return float("inf") if end is None else end - exchange.sent_at


def _compare_plan(journal: CallJournal, first: Run, plans: list[Plan], witness: "_Witness", verdict: Verdict) -> None:
    """A call that begins after a version was promoted, and before anything else is planned, begins on it."""
    sent = journal.exchanges[0].sent_at
    before = [plan for plan in plans if plan.began <= sent]
    latest = max(before, key=lambda plan: plan.ended, default=None)
    if latest is None or latest.command[0] != "promote" or latest.ended > sent:
        return
    if any(sent < plan.began <= first.at for plan in plans):
        return
    promoted = latest.command[1]
    if first.version == promoted:
        verdict.versions["calls that began on the version promoted"] += 1
    elif living := witness.living(promoted, min(sent, first.at) - LOOK_BACK_SECONDS, first.at):
        verdict.wrong.append(
            f"{journal.call_sid} began on {first.version} after {promoted} was promoted, though {living} lived"
        )


class _Witness:
    """Knows which workers were themselves all the time."""

    def __init__(self, versions: Versions, faults: list[Injected]) -> None:
        self.absences = versions.absences
        self.versions = {worker.version for worker in versions.workers}
        self._all = versions
        self._faults = faults
        network_faults = [fault for fault in faults if fault.is_of_network]
        self._network = [(fault.began, fault.ended + AFTERMATH_SECONDS) for fault in network_faults]

    def before(self, at: float) -> list[tuple[str, float, float]]:
        """What befell whom shortly before a moment, in seconds before it."""
        faults = [(fault.kind, fault.began, fault.ended) for fault in self._faults]
        harmed = [(harm.worker, harm.began, harm.ended) for harm in self._all.disturbances]
        return [
            (what, round(at - began, 1), round(at - ended, 1))
            for what, began, ended in [*faults, *harmed]
            if began <= at and at - ended < 3 * LOOK_BACK_SECONDS
        ]

    def living(self, version: str, began: float, ended: float) -> list[str]:
        """The workers of the version that nothing befell meanwhile; none if something befell Redis."""
        if any(start <= ended and began <= end for start, end in self._network):
            return []
        harmed = {d.worker for d in self._all.disturbances if d.began <= ended and began <= d.ended}
        return [worker.name for worker in self._all.workers_of(version) if worker.name not in harmed]
