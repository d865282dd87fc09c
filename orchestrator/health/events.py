"""Judges what is known of the events that are not delivered yet. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.events.outbox_report import OutboxReport
from orchestrator.sentence import Sentence, said

OLD_SECONDS = 900.0
"""An event that waits for longer means that a receiver is down: the attempts before that one are minutes apart."""
OVERDUE_SECONDS = 60.0
"""An attempt that is later than this means that nobody delivers."""
MOST_SINKS = 50
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
        advice = "Start a worker with the EVENTS settings that web has."
        return {"status": "degraded", **said(Sentence("events_undelivered", "Nobody delivers events.", advice))}
    if report is None:
        unmeasured = Sentence("events_unmeasured", "Not known yet: it is measured every half minute")
        return {"status": "unknown", **said(unmeasured)}
    found = [*concerns(report)]
    return {
        "status": "degraded" if found else "healthy",
        **said(*(found or [all_well(report)])),
        "pending": report.pending,
        "dead": report.dead,
        "oldest_seconds": round(report.oldest_seconds),
        "bytes": report.bytes,
        "sinks": {
            name: {
                "pending": sink.pending, "dead": sink.dead, "oldest_seconds": round(sink.oldest_seconds),
                "stopped": sink.stopped,
            }
            for name, sink in list(report.sinks.items())[:MOST_SINKS]
        },
    }  # fmt: skip


def concerns(report: OutboxReport) -> Iterator[Sentence]:
    """Yield a sentence for each thing that somebody has to look at."""
    for name, sink in report.sinks.items():
        if sink.stopped:
            yield Sentence(
                "sink_stopped", f"{name} answered that it wants no events any more:",
                f"`voiceagent events resume {name}`.", {"sink": name},
            )  # fmt: skip
        elif sink.overdue_seconds > OVERDUE_SECONDS:
            yield Sentence(
                "sink_overdue", f"Nobody delivers to {name}: an event is {sink.overdue_seconds:.0f} s late.",
                "Is a worker alive that has this sink in its settings?",
                {"sink": name, "seconds": round(sink.overdue_seconds)},
            )  # fmt: skip
        elif sink.oldest_seconds > OLD_SECONDS:
            yield Sentence(
                "sink_late", f"An event has waited for {sink.oldest_seconds / 60:.0f} min for {name}:",
                "`voiceagent events` says why.", {"sink": name, "seconds": round(sink.oldest_seconds)},
            )  # fmt: skip
    if report.max_bytes and report.bytes > NEARLY_FULL * report.max_bytes:
        held, most = round(report.bytes / 1e6), round(report.max_bytes / 1e6)
        yield Sentence(
            "outbox_nearly_full", f"The outbox holds {held} of {most} MB.",
            "When it is full, dead deliveries are dropped: repair the sinks, or raise EVENTS_MAX_BYTES.",
            {"held": held, "most": most},
        )  # fmt: skip


def all_well(report: OutboxReport) -> Sentence:
    """Return what there is to say if nobody has to look at anything."""
    if not report.pending:
        if report.dead:
            return Sentence("events_delivered_or_dead", "Every event is delivered, or dead")
        return Sentence("events_delivered", "Every event is delivered")
    events = "1 delivery waits" if report.pending == 1 else f"{report.pending} deliveries wait"
    seconds = round(report.oldest_seconds)
    message = f"{events}, the oldest for {seconds} s"
    return Sentence("events_wait", message, "", {"count": report.pending, "seconds": seconds})
