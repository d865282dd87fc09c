"""What is wrong now, in the sentences of the doctor and of the health checks: since when, and which calls notice it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.health.finding import Finding, Level
from orchestrator.health.judgement import judge_dead_letters, judge_workers
from orchestrator.incidents.incident import Incident, time_text

MOST_SIDS = 20
RECENT_SECONDS = 120.0
"""An incident that is over, or a moment, is among the findings for so long."""
_LEVELS: Mapping[str, Level] = {"unhealthy": "problem", "degraded": "warning"}
_ADVICE = {
    "worker_lost": "Its supervisor should have started another one: the list of processes shows whether it has.",
    "ingress_lost": "Its supervisor should have started another one: the list of processes shows whether it has.",
    "worker_frozen": "If it happens again, look at that machine's memory and processor, and for agents that block.",
    "ingress_frozen": "If it happens again, look at that machine's memory and processor.",
    "redis_outage": "Look at the server of Redis, and at the network to it.",
}
NOTICED_BY_WAITING = ("queue", "workers")
"""The checks whose findings are noticed by calls that wait for a worker."""
_ORDER: Mapping[str, int] = {"problem": 0, "warning": 1, "note": 2, "ok": 3}


@dataclass(frozen=True, slots=True)
class CurrentFinding:
    """A finding that holds now. `id` is the same as long as it lasts; `since` is in Unix seconds."""

    id: str
    finding: Finding
    since: float | None = None
    calls_count: int = 0
    sids: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """Return it as the API tells it."""
        return {
            "id": self.id, "level": self.finding.level, "message": self.finding.message,
            "advice": self.finding.advice, "since": None if self.since is None else time_text(self.since),
            "calls": {"count": self.calls_count, "sids": list(self.sids[:MOST_SIDS])},
        }  # fmt: skip


def current_findings(
    checks: Mapping[str, Mapping[str, Any]],
    processes: Sequence[Mapping[str, Any]],
    incidents: Iterable[Incident],
    now: float,
    waiting: Sequence[str] = (),
) -> list[CurrentFinding]:
    """Return what is wrong, the worst first. `checks` are those of the health report, `processes` as the API shows
    them, `waiting` the calls whose turns wait too long for a worker."""
    found = [_of_check(it, waiting) for it in _told(checks, processes)]
    found += [_of_incident(it) for it in incidents if _is_recent(it, now)]
    seen: Counter[str] = Counter()
    for place, each in enumerate(found):
        seen[each.id] += 1
        if seen[each.id] > 1:
            found[place] = replace(each, id=f"{each.id}-{seen[each.id]}")
    return sorted(found, key=lambda it: _ORDER[it.finding.level])


def _told(checks: Mapping[str, Mapping[str, Any]], processes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for name, check in checks.items():
        if (level := _LEVELS.get(str(check.get("status")))) is not None:
            says, advice = split_advice(str(check.get("message", "")))
            yield Finding(name, level, says, advice)
    has_no_worker = checks.get("workers", {}).get("status") in ("unhealthy", "unknown", "disabled")
    alive = [it for it in processes if it.get("role") == "worker" and it.get("state") != "lost"]
    if alive and not has_no_worker:
        yield from (it for it in judge_workers(alive) if it.level != "ok")
    for process in processes:
        if process.get("state") == "silent":
            name, host = str(process.get("role", "process")).capitalize(), process.get("host")
            yield Finding(
                f"silent {process.get('id')}", "warning",
                f"{name} {str(process.get('id'))[:8]} on {host} has reported nothing for a while.",
                "If it stands still or has lost its network, others take over its turns.",
            )  # fmt: skip
    yield from judge_dead_letters(int(checks.get("queue", {}).get("dead_letters", 0) or 0))


def split_advice(message: str) -> tuple[str, str]:
    """Return the fact and the advice of a message: its first sentence, and the rest."""
    says, _, advice = message.partition(". ")
    return (f"{says}." if says and not says.endswith((".", "!", "?")) else says), advice


def _of_check(finding: Finding, waiting: Sequence[str]) -> CurrentFinding:
    name = f"{finding.check}-{finding.level}".replace(" ", "-")
    if finding.check in NOTICED_BY_WAITING and finding.level != "note":
        return CurrentFinding(name, finding, None, len(waiting), tuple(waiting[:MOST_SIDS]))
    return CurrentFinding(name, finding)


def _is_recent(incident: Incident, now: float) -> bool:
    if incident.kind not in _ADVICE and incident.kind != "worker_unable":
        return False
    if incident.kind == "worker_unable" and incident.until is None:
        return True
    lasted = incident.at if incident.until is None else incident.until
    return now - lasted <= RECENT_SECONDS


def _of_incident(incident: Incident) -> CurrentFinding:
    lasts = incident.until is None and incident.kind.endswith(("_lost", "_unable"))
    finding = Finding(
        "incident", "warning" if lasts else "note", incident.message, _ADVICE.get(incident.kind, "Look at its log.")
    )
    sids = tuple(dict.fromkeys(each.call_sid for each in incident.calls))
    return CurrentFinding(f"incident-{incident.id}", finding, incident.at, incident.calls_count, sids)


def with_times(found: Sequence[CurrentFinding], since: Mapping[str, float]) -> list[CurrentFinding]:
    """Return the findings, each with the time since when it holds, as far as it is known."""
    return [it if it.since is not None else replace(it, since=since.get(it.id)) for it in found]
