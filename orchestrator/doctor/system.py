"""The judgement of what is in Redis: calls, workers, queue."""

from collections.abc import Iterator

from orchestrator.doctor.facts import SystemFacts
from orchestrator.health.finding import Finding
from orchestrator.health.judgement import judge_cron, judge_dead_letters, judge_workers, number_of
from orchestrator.health.report import SLOW_QUEUE_SECONDS
from orchestrator.worker_versions.changes import told
from orchestrator.worker_versions.overview import concerns_of, running_versions

MOST_NAMED = 3


def judge_system(system: SystemFacts) -> Iterator[Finding]:
    """Yield the findings about calls, workers and queue."""
    yield _keys(system)
    yield from judge_workers(system.workers)
    yield from judge_cron(system.heartbeat_age_seconds)
    yield from _rollout(system)
    yield _queue(system)
    yield from judge_dead_letters(system.dead_letters)


def _keys(system: SystemFacts) -> Finding:
    seen = f"{system.keys_seen or 'none'} of ours looked at"
    seen += "" if system.all_keys_seen else ", there are more"
    calls = f"{number_of(system.active_calls, 'call is', 'calls are')} active."
    if system.without_ttl:
        named = ", ".join(system.without_ttl[:MOST_NAMED])
        return Finding(
            "keys", "problem",
            f"{number_of(len(system.without_ttl), 'key has', 'keys have')} no time to live, such as {named} ({seen}).",
            "They are never deleted, and memory grows. We give each key one: see who else writes here, "
            "then set it with `redis-cli expire KEY 3600`.",
        )  # fmt: skip
    if system.all_keys_seen and system.active_calls > 0 and not system.states:
        return Finding(
            "keys", "problem", f"{calls} No state of a call is there.",
            "Something deletes them: look for an eviction policy other than noeviction, or FLUSHDB.",
        )  # fmt: skip
    return Finding("keys", "ok", f"{calls} Every key has a time to live ({seen}).")


def _rollout(system: SystemFacts) -> Iterator[Finding]:
    plan = system.rollout
    if not plan.is_active:
        return
    concerns = concerns_of(plan, running_versions(system.workers))
    if concerns:
        said = " ".join([told(plan), *(it.text for it in concerns)])
        yield Finding("rollout", "warning", said, "`voiceagent rollout` shows the versions.")
    else:
        yield Finding("rollout", "ok", told(plan))


def _queue(system: SystemFacts) -> Finding:
    waiting = number_of(system.queue_depth, "call waits", "calls wait")
    if system.oldest_wait_seconds > SLOW_QUEUE_SECONDS:
        return Finding(
            "queue", "problem", f"{waiting}; the longest is {system.oldest_wait_seconds:.0f} s late.",
            "Start more workers, or look at why those there do not take them.",
        )  # fmt: skip
    return Finding("queue", "ok", f"{waiting} for a worker.")
