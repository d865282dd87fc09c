"""The audit of processes and incidents: who was killed or stood still is named so, and nobody else."""

from collections.abc import Sequence
from datetime import datetime

from soak.shown import Json, Polled
from soak.spans import Span, first_quiet, is_troubled, troubled
from soak.verdict import Verdict
from support.lives import Life

NAMED_SECONDS = 26.0
"""So long after its end, all quiet, a killed process is named: it is silent for 15 s, then someone looks within 9 s."""
TOLD_SECONDS = 12.0
"""So long after it goes on, all quiet, a process that stood still has told it."""
POLL_SLACK_SECONDS = 5.0
SETTLED_SECONDS = 12.0
"""A process that runs for so long has told of itself."""
SILENCE_SECONDS = 15.0
"""A process that has told nothing for so long counts as lost."""
MOST_TROUBLE_SECONDS = 4.0
"""With so much trouble on the way to Redis within that time a process that lives may be taken for lost."""
BEFORE_SECONDS = 6.0
"""A process tells of itself every five seconds: a trouble so long before its last word may have delayed it."""


class ProcessAudit:
    """Compares what was told of processes with their `lives`. `troubles` are those of the way to Redis."""

    def __init__(
        self, lives: Sequence[Life], polled: Polled, troubles: Sequence[Span], until: float, verdict: Verdict
    ) -> None:
        self._lives = lives
        self._polled = polled
        self._troubles = troubles
        self._until = until
        self._verdict = verdict
        self._ids = {life.pid: {it for it, pid in polled.pids.items() if pid == life.pid} for life in lives}

    def compare(self) -> None:
        """Note what is wrong."""
        for life in self._lives:
            if life.killed_at is not None:
                self._compare_killed(life, life.killed_at)
            for freeze in life.freezes:
                self._compare_frozen(life, freeze)
        for incident in self._polled.incidents.values():
            if incident["kind"].endswith("_lost"):
                self._compare_lost(incident)
        for pid, at in {(it.pid, it.at) for it in self._polled.lost}:
            life = self._life_of(pid)
            if life is not None and not self._may_seem_lost(life, at - SILENCE_SECONDS, at):
                self._add(f"{_named(life)} was shown as lost by /processes at {at:.1f}, and lived")
        self._compare_living()

    def _compare_killed(self, life: Life, killed_at: float) -> None:
        named = [it for it in self._about(life) if it["kind"] == f"{life.role}_lost"]
        told = min((self._polled.told[it["id"], it["kind"]] for it in named), default=None)
        due = first_quiet(self._troubles, killed_at, self._until - POLL_SLACK_SECONDS, NAMED_SECONDS)
        is_known = bool(self._ids[life.pid]) or killed_at - life.began > SETTLED_SECONDS
        if told is not None:
            self._count("killed processes named as lost")
            if due is not None and told > due + POLL_SLACK_SECONDS:
                self._add(f"{_named(life)}, killed at {killed_at:.1f}, was named {told - killed_at:.1f} s later only")
            self._verdict.named_after.append(max(told - killed_at, 0.0))
        elif not is_known:
            self._count("processes killed before anyone knew them")
        elif due is None:
            self._count("processes killed too late to be named")
        else:
            self._add(f"{_named(life)}, killed at {killed_at:.1f}, is named in no incident: {self._about(life)}")

    def _compare_frozen(self, life: Life, freeze: Span) -> None:
        began, ended = freeze
        last = life.ended_at or self._until
        due = first_quiet(self._troubles, ended, min(last, self._until - POLL_SLACK_SECONDS), TOLD_SECONDS)
        is_killed = life.killed_at is not None
        is_known = bool(self._ids[life.pid]) and began - life.began > SETTLED_SECONDS
        told = [
            it
            for it in self._about(life)
            if it["kind"].endswith(("_frozen", "_lost"))
            and _seconds(it["at"]) <= ended + 1
            and (it["until"] is None or _seconds(it["until"]) >= began)
        ]
        if told:
            self._count("frozen processes named")
        elif not is_killed and is_known and due is not None:
            self._add(f"{_named(life)} stood still from {began:.1f} to {ended:.1f}, and no incident says so")
        else:
            self._count("processes frozen that could not tell it")

    def _compare_lost(self, incident: Json) -> None:
        """A process that is said to be lost is."""
        process, at = incident["process"] or {}, _seconds(incident["at"])
        life = self._life_of(process.get("pid") or self._polled.pids.get(process.get("id", ""), 0))
        told = self._polled.told[incident["id"], incident["kind"]]
        if life is None:
            self._add(f"an incident is about a process that nobody has started: {incident}")
        elif process.get("role") != life.role:
            self._add(f"{_named(life)} is called {process.get('role')} in {incident}")
        elif not self._may_seem_lost(life, at, told):
            self._add(f"{_named(life)} was told lost at {told:.1f} and lived: {incident}")

    def _may_seem_lost(self, life: Life, since: float, told: float) -> bool:
        if life.killed_at is not None and life.killed_at <= told:
            return True
        if any(began <= told and ended >= since - BEFORE_SECONDS for began, ended in life.freezes):
            return True
        if life.ended_at is not None and life.ended_at <= told:  # who leaves while Redis is away cannot say so
            return is_troubled(self._troubles, (life.asked_at or life.ended_at) - 1, life.ended_at)
        return troubled(self._troubles, since - BEFORE_SECONDS, told) >= MOST_TROUBLE_SECONDS

    def _compare_living(self) -> None:
        """Who lives at the end is shown, and no incident takes it for lost."""
        if first_quiet(self._troubles, self._until - SETTLED_SECONDS, self._until, SETTLED_SECONDS) is None:
            return
        shown = {it["pid"]: it["state"] for it in self._polled.processes}
        for life in self._lives:
            if life.ended_at is not None or self._until - life.began < SETTLED_SECONDS:
                continue
            if shown.get(life.pid) != "running":
                self._add(f"{_named(life)} lives, and /processes says {shown.get(life.pid)} of it at the end")
            lost = [it for it in self._about(life) if it["kind"].endswith("_lost")]
            if lost and not any(ended >= self._until - SETTLED_SECONDS for _, ended in life.freezes):
                self._add(f"{_named(life)} lives, and is lost at the end: {lost}")

    def _about(self, life: Life) -> list[Json]:
        return [it for it in self._polled.incidents.values() if self._is_about(it, life)]

    def _is_about(self, incident: Json, life: Life) -> bool:
        process = incident["process"] or {}
        return process.get("pid") == life.pid or process.get("id") in self._ids[life.pid]

    def _life_of(self, pid: int) -> Life | None:
        return next((life for life in reversed(self._lives) if life.pid == pid), None)

    def _add(self, what: str) -> None:
        self._verdict.untrue.append(what)

    def _count(self, what: str) -> None:
        self._verdict.cockpit[what] += 1


def _named(life: Life) -> str:
    return f"{life.name} ({life.role}, pid {life.pid})"


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
