"""Judges what is known of the events that are not delivered yet. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.events.outbox_report import OutboxReport

OLD_SECONDS = 900.0
"""An event that waits for longer means that a receiver is down: the attempts before that one are minutes apart."""
OVERDUE_SECONDS = 60.0
"""An attempt that is later than this means that nobody delivers."""
NEARLY_FULL = 0.8
"""The part of `EVENTS_MAX_BYTES` from which on the outbox counts as nearly full."""


@dataclass(frozen=True, slots=True)
class EventsStatus:
    """What a process knows of the events. `report` is None if nobody has reported lately.

    `is_missed`: a report should be there by now.
    """

    report: OutboxReport | None
    is_missed: bool = False


def judge_events(status: EventsStatus) -> dict[str, Any]:
    """Return the check `events`. It is never unhealthy: calls are answered, and the events wait."""
    report = status.report
    if report is None and status.is_missed:
        return {
            "status": "degraded",
            "message": "Nobody delivers events. Start a worker with the EVENTS settings that web has.",
        }
    if report is None:
        return {"status": "unknown", "message": "Not known yet: it is measured every half minute"}
    found = [*concerns(report)]
    return {
        "status": "degraded" if found else "healthy",
        "message": " ".join(found) or all_well(report),
        "pending": report.pending,
        "dead": report.dead,
        "oldest_seconds": round(report.oldest_seconds),
        "bytes": report.bytes,
    }


def concerns(report: OutboxReport) -> Iterator[str]:
    """Yield a sentence for each thing that somebody has to look at."""
    for name, sink in report.sinks.items():
        if sink.stopped:
            yield f"{name} answered that it wants no events any more: `voiceagent events resume {name}`."
        elif sink.overdue_seconds > OVERDUE_SECONDS:
            yield (
                f"Nobody delivers to {name}: an event is {sink.overdue_seconds:.0f} s late. Is a worker alive that "
                "has this sink in its settings?"
            )
        elif sink.oldest_seconds > OLD_SECONDS:
            yield (
                f"An event has waited for {sink.oldest_seconds / 60:.0f} min for {name}: `voiceagent events` says why."
            )
    if report.max_bytes and report.bytes > NEARLY_FULL * report.max_bytes:
        yield (
            f"The outbox holds {report.bytes / 1e6:.0f} of {report.max_bytes / 1e6:.0f} MB. When it is full, dead "
            "deliveries are dropped: repair the sinks, or raise EVENTS_MAX_BYTES."
        )


def all_well(report: OutboxReport) -> str:
    """Return what there is to say if nobody has to look at anything."""
    if not report.pending:
        return "Every event is delivered, or dead" if report.dead else "Every event is delivered"
    events = "1 delivery waits" if report.pending == 1 else f"{report.pending} deliveries wait"
    return f"{events}, the oldest for {report.oldest_seconds:.0f} s"
