"""The judgement of events: whether the sinks can be reached, and what of the events is not delivered."""

from collections.abc import Iterator, Sequence

from orchestrator.doctor.facts import SinkFacts, SystemFacts
from orchestrator.doctor.finding import Finding, Level
from orchestrator.events.outbox_report import OutboxReport
from orchestrator.health.events import all_well, concerns

SAME_SETTINGS = "Give web and workers the same EVENTS settings, and run the doctor with web's."
CRON_FRESH_SECONDS = 90.0
"""A cron job that ran later than this ago says that the survey of events, another one, would have run, too."""


def judge_events(sinks: Sequence[SinkFacts], system: SystemFacts | None) -> Iterator[Finding]:
    """Yield the findings about events. `system` is None without Redis, or where it could not be read."""
    for sink in sinks:
        yield _reach(sink)
    if system is None:
        return
    report = system.outbox
    if report is not None:
        yield from _same_sinks([sink.name for sink in sinks], report)
        yield from _undelivered(report)
    elif sinks and system.workers and (system.heartbeat_age_seconds or CRON_FRESH_SECONDS) < CRON_FRESH_SECONDS:
        yield Finding(
            "events", "problem", "Sinks are set here, and no worker reports that it delivers to any.", SAME_SETTINGS
        )


def _reach(sink: SinkFacts) -> Finding:
    if sink.trouble:
        level: Level = "problem" if sink.loses_events else "warning"
        return Finding("events", level, f"{sink.name}: {sink.trouble}", sink.advice)
    return Finding("events", "ok", f"{sink.name}: {sink.place} can be used.")


def _same_sinks(here: Sequence[str], report: OutboxReport) -> Iterator[Finding]:
    if missing := [name for name in here if name not in report.sinks]:
        yield Finding("events", "problem", f"{_listed(missing)} set here, and no worker delivers to it.", SAME_SETTINGS)
    if others := [name for name in report.sinks if name not in here]:
        yield Finding(
            "events", "warning", f"Events are kept for {', '.join(others)}, which these settings do not name.",
            f"{SAME_SETTINGS} Of a sink that is gone for good: voiceagent events drop --sink NAME --pending",
        )  # fmt: skip


def _undelivered(report: OutboxReport) -> Iterator[Finding]:
    found = [*concerns(report)]
    for concern in found:
        yield Finding("events", "warning", concern.text, "`voiceagent events` lists what waits, and why.")
    if report.dead:
        deliveries = "1 delivery is" if report.dead == 1 else f"{report.dead} deliveries are"
        yield Finding(
            "events", "warning", f"{deliveries} dead.",
            "`voiceagent events --dead` says why, `voiceagent events replay` delivers them again.",
        )  # fmt: skip
    if not found:
        yield Finding("events", "ok", f"{all_well(report).message}.")


def _listed(names: Sequence[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
