"""What is said of an incident, in a sentence. Nothing of what callers said is in it."""

from orchestrator.incidents.incident import Report

_SAID = {
    "lost": "{who} was lost: it ended without a word, or cannot reach Redis.",
    "frozen": "{who} stood still for {seconds}.",
    "stopped": "{who} ended by itself, after it had drained.",
    "started": "{who} started.",
    "unable": "{who} could claim no turns although Redis answered.",
}
SUSPECTED = "taken"
"""The `detail` of a lost worker whose turns others have taken over: its reports are not overdue yet."""


def message_of(report: Report) -> str:
    """Return the sentence."""
    seconds = duration_told(report.until - report.at) if report.until is not None else ""
    if report.kind == "redis_outage":
        return f"Redis could not be used for {seconds}." if seconds else "Redis cannot be used."
    if report.kind == "rollback":
        return f"The workers rolled a version back. {report.detail}".strip()
    who = "A process" if report.process is None else report.process.shown
    if report.kind == "worker_lost" and report.detail == SUSPECTED:
        return f"{who} stopped renewing its calls, so others ran their turns."
    if report.kind.endswith("_unable") and not seconds:
        return f"{who} can claim no turns although Redis answers."
    return _SAID[report.kind.rpartition("_")[2]].format(who=who, seconds=seconds)


def duration_told(seconds: float) -> str:
    """Return how long something took, as people say it."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"
