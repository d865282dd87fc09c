"""What is wrong now, in the sentences of the doctor and of the health checks: since when, and which calls notice it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.health.finding import Finding, Level
from orchestrator.health.judgement import judge_dead_letters, judge_workers
from orchestrator.incidents.incident import Incident, IncidentKind, time_text
from orchestrator.sentence import Code, Sentence

MOST_SIDS = 20
RECENT_SECONDS = 600.0
"""An incident that is over, or a moment, is among the findings for so long."""
_LEVELS: Mapping[str, Level] = {"unhealthy": "problem", "degraded": "warning"}
_ADVICE: Mapping[IncidentKind, str] = {
    "worker_lost": "Its supervisor should have started another one: the list of processes shows whether it has.",
    "ingress_lost": "Its supervisor should have started another one: the list of processes shows whether it has.",
    "worker_frozen": "If it happens again, look at that machine's memory and processor, and for agents that block.",
    "ingress_frozen": "If it happens again, look at that machine's memory and processor.",
    "worker_unable": "Its log says why (worker.claims_failing).",
    "redis_outage": "Look at the server of Redis, and at the network to it.",
}
_TOGETHER: Mapping[IncidentKind, tuple[Code, str]] = {
    "worker_lost": ("several_worker_lost", "{} workers were lost"),
    "ingress_lost": ("several_ingress_lost", "{} ingresses were lost"),
    "worker_frozen": ("several_worker_frozen", "Workers stood still {} times"),
    "ingress_frozen": ("several_ingress_frozen", "Ingresses stood still {} times"),
    "worker_unable": ("several_worker_unable", "Workers could claim no turns {} times"),
    "redis_outage": ("several_redis_outage", "Redis could not be used {} times"),
}
PLANS = ("plan_none", "plan_current", "plan_ramping")
"""What a check says of the rollout that is not wrong."""
MOST_NAMED = 3
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
            "advice": self.finding.advice, "code": self.finding.code, "params": dict(self.finding.params),
            "since": None if self.since is None else time_text(self.since),
            "calls": {"count": self.calls_count, "sids": list(self.sids[:MOST_SIDS])},
        }  # fmt: skip


def current_findings(
    checks: Mapping[str, Mapping[str, Any]],
    processes: Sequence[Mapping[str, Any]],
    incidents: Sequence[Incident],
    now: float,
    waiting: Sequence[str] = (),
) -> list[CurrentFinding]:
    """Return what is wrong, the worst first. `checks` are those of the health report, `processes` as the API shows
    them, `waiting` the calls whose turns wait too long for a worker."""
    found = [_of_check(it, waiting) for it in _told(checks, processes)]
    found += _of_incidents(incidents, now)
    seen: Counter[str] = Counter()
    for place, each in enumerate(found):
        seen[each.id] += 1
        if seen[each.id] > 1:
            found[place] = replace(each, id=f"{each.id}-{seen[each.id]}")
    return sorted(found, key=lambda it: _ORDER[it.finding.level])


def _told(checks: Mapping[str, Mapping[str, Any]], processes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for name, check in checks.items():
        if (level := _LEVELS.get(str(check.get("status")))) is not None:
            for each in check["says"]:
                if each["code"] not in PLANS:
                    yield Finding(name, level, each["message"], each["advice"], each["code"], each["params"])
    has_no_worker = checks.get("workers", {}).get("status") in ("unhealthy", "unknown", "disabled")
    alive = [it for it in processes if it.get("role") == "worker" and it.get("state") != "lost"]
    if alive and not has_no_worker:
        yield from (it for it in judge_workers(alive) if it.level != "ok")
    for process in processes:
        if process.get("state") == "silent":
            role, host, short = str(process.get("role", "process")), str(process.get("host")), str(process["id"])[:8]
            silent = Sentence(
                "process_silent", f"{role.capitalize()} {short} on {host} has reported nothing for a while.",
                "If it stands still or has lost its network, others take over its turns.",
                {"role": role, "id": short, "host": host, "pid": int(process.get("pid") or 0)},
            )  # fmt: skip
            yield Finding.saying(f"silent {process['id']}", "warning", silent)
    yield from judge_dead_letters(int(checks.get("queue", {}).get("dead_letters", 0) or 0))


def _of_check(finding: Finding, waiting: Sequence[str]) -> CurrentFinding:
    name = f"{finding.check}-{finding.level}".replace(" ", "-")
    if finding.check in NOTICED_BY_WAITING and finding.level != "note":
        return CurrentFinding(name, finding, None, len(waiting), tuple(waiting[:MOST_SIDS]))
    return CurrentFinding(name, finding)


def _of_incidents(incidents: Sequence[Incident], now: float) -> Iterator[CurrentFinding]:
    """Yield one finding for each kind of recent incident."""
    for kind in _ADVICE:
        alike = [it for it in incidents if it.kind == kind and _is_recent(it, now)]
        if alike:
            calls = tuple(dict.fromkeys(each.call_sid for it in alike for each in it.calls))
            level: Level = "warning" if _goes_on(kind, alike, incidents) else "note"
            finding = Finding.saying("incident", level, _told_together(kind, alike))
            began = min(it.at for it in alike)
            yield CurrentFinding(f"incident-{kind}", finding, began, sum(it.calls_count for it in alike), calls)


def _is_recent(incident: Incident, now: float) -> bool:
    if incident.kind == "worker_unable" and incident.until is None:
        return True
    lasted = incident.at if incident.until is None else incident.until
    return now - lasted <= RECENT_SECONDS


def _goes_on(kind: str, alike: Sequence[Incident], incidents: Iterable[Incident]) -> bool:
    """Return whether something is amiss still: fewer processes have begun since the first was lost than were lost."""
    if kind.endswith("_lost"):
        began = f"{kind.partition('_')[0]}_started"
        since = min(it.at for it in alike)
        return sum(it.kind == began and it.at >= since for it in incidents) < len(alike)
    return any(it.until is None for it in alike)


def _told_together(kind: IncidentKind, alike: Sequence[Incident]) -> Sentence:
    """Return what is said of all of them, the latest first."""
    latest = max(alike, key=lambda it: it.at)
    at = time_text(latest.at)
    if len(alike) == 1:
        message = f"{latest.message.rstrip('.')} (at {at[11:19]} UTC)."
        return Sentence(latest.code or kind, message, _ADVICE[kind], {**latest.params, "at": at})
    newest = sorted(alike, key=lambda it: it.at, reverse=True)
    ids = list(dict.fromkeys(it.process.id[:8] for it in newest if it.process is not None))
    named = f"{', '.join(ids[:MOST_NAMED])}{', …' if len(ids) > MOST_NAMED else ''}"
    code, times = _TOGETHER[kind]
    message = f"{times.format(len(alike))} in the last 10 minutes, the last time at {at[11:19]} UTC"
    told = f"{message}: {named}." if named else f"{message}."
    return Sentence(code, told, _ADVICE[kind], {"count": len(alike), "at": at, "ids": named or "–"})


def with_times(found: Sequence[CurrentFinding], since: Mapping[str, float]) -> list[CurrentFinding]:
    """Return the findings, each with the time since when it holds, as far as it is known."""
    return [it if it.since is not None else replace(it, since=since.get(it.id)) for it in found]
