"""The judgement of schedules: whether timers, activities and messages are carried out in time."""

from collections.abc import Iterator

from orchestrator.doctor.facts import SystemFacts
from orchestrator.doctor.finding import Finding
from orchestrator.health.features import SCHEDULE, has_feature

LATE_SECONDS = 30.0
"""A call that should have been looked at so long ago is waiting for somebody."""


def judge_schedules(system: SystemFacts) -> Iterator[Finding]:
    """Yield the findings about schedules; none while no call has anything scheduled."""
    if not system.schedules:
        return
    older = [worker for worker in system.workers if not has_feature(worker, SCHEDULE)]
    if older:
        yield Finding(
            "schedules", "warning",
            f"{len(older)} of {len(system.workers)} workers are of a version that does not know timers, activities and "
            "messages: these wait.",
            "Replace them; in a deploy, that is a matter of time.",
        )  # fmt: skip
    elif system.late_schedules:
        calls = "1 call has" if system.late_schedules == 1 else f"{system.late_schedules} calls have"
        yield Finding(
            "schedules", "problem", f"{calls} timers, activities or messages that nobody carries out.",
            "Start more workers, or look in their logs for `schedule.` and `activity.`.",
        )  # fmt: skip
    else:
        calls = "1 call has" if system.schedules == 1 else f"{system.schedules} calls have"
        yield Finding("schedules", "ok", f"{calls} something scheduled, and nothing is late.")
