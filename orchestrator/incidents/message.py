"""What is said of an incident, in a sentence. Nothing of what callers said is in it."""

from orchestrator.incidents.incident import Report
from orchestrator.sentence import Param, Sentence

_SAID = {
    "lost": "{who} was lost: it ended without a word, or cannot reach Redis.",
    "frozen": "{who} stood still for {seconds}.",
    "stopped": "{who} ended by itself, after it had drained.",
    "started": "{who} started.",
    "unable": "{who} could claim no turns although Redis answered.",
}
SUSPECTED = "taken"
"""The `detail` of a lost worker whose turns others have taken over: its reports are not overdue yet."""


def sentence_of(report: Report) -> Sentence:
    """Return the sentence, without advice."""
    seconds = None if report.until is None else round(max(report.until - report.at, 0), 3)
    params: dict[str, Param] = {} if seconds is None else {"seconds": seconds}
    took = "" if seconds is None else duration_told(seconds)
    if report.kind == "redis_outage":
        if seconds is None:
            return Sentence("redis_outage_now", "Redis cannot be used.")
        return Sentence("redis_outage", f"Redis could not be used for {took}.", "", params)
    if report.kind == "rollback":
        message = f"The workers rolled a version back. {report.detail}".strip()
        return Sentence("rollback", message, "", {"detail": report.detail})
    who = "A process" if report.process is None else report.process.shown
    if (process := report.process) is not None:
        params |= {"role": process.role, "id": process.id[:8], "pid": process.pid, "host": process.host}
    if report.kind == "worker_lost" and report.detail == SUSPECTED:
        message = f"{who} stopped renewing its calls, so others ran their turns."
        return Sentence("worker_taken_over", message, "", params)
    if report.kind == "worker_unable" and seconds is None:
        return Sentence("worker_unable_now", f"{who} can claim no turns although Redis answers.", "", params)
    said = _SAID[report.kind.rpartition("_")[2]].format(who=who, seconds=took)
    return Sentence(report.kind, said, "", params)


def duration_told(seconds: float) -> str:
    """Return how long something took, as people say it."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"
