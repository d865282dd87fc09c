"""The judgement of what is in Redis: calls, workers, queue."""

from collections.abc import Iterator

from orchestrator.doctor.facts import SystemFacts
from orchestrator.doctor.finding import Finding
from orchestrator.health.report import SLOW_QUEUE_SECONDS
from orchestrator.worker_versions.changes import told
from orchestrator.worker_versions.overview import concerns_of, running_versions

HEARTBEAT_OLD_SECONDS = 90
MOST_NAMED = 3


def judge_system(system: SystemFacts) -> Iterator[Finding]:
    """Yield the findings about calls, workers and queue."""
    yield _keys(system)
    yield from _workers(system)
    yield from _rollout(system)
    yield _queue(system)
    if system.dead_letters:
        yield Finding(
            "dead letters", "warning", f"{_number(system.dead_letters, 'turn', 'turns')} failed for good.",
            "`voiceagent dead` lists them; each took its worker down three times.",
        )  # fmt: skip


def _keys(system: SystemFacts) -> Finding:
    seen = f"{system.keys_seen or 'none'} of ours looked at"
    seen += "" if system.all_keys_seen else ", there are more"
    calls = f"{_number(system.active_calls, 'call is', 'calls are')} active."
    if system.without_ttl:
        named = ", ".join(system.without_ttl[:MOST_NAMED])
        return Finding(
            "keys", "problem",
            f"{_number(len(system.without_ttl), 'key has', 'keys have')} no time to live, such as {named} ({seen}).",
            "They are never deleted, and memory grows. We give each key one: see who else writes here, "
            "then set it with `redis-cli expire KEY 3600`.",
        )  # fmt: skip
    if system.all_keys_seen and system.active_calls > 0 and not system.states:
        return Finding(
            "keys", "problem", f"{calls} No state of a call is there.",
            "Something deletes them: look for an eviction policy other than noeviction, or FLUSHDB.",
        )  # fmt: skip
    return Finding("keys", "ok", f"{calls} Every key has a time to live ({seen}).")


def _workers(system: SystemFacts) -> Iterator[Finding]:
    count = len(system.workers)
    if not count:
        yield Finding("workers", "problem", "No worker is alive.", "Start one: python -m workers")
        return
    running = sum(int(worker.get("running", 0)) for worker in system.workers)
    agents = sorted({str(worker.get("agent", "?")) for worker in system.workers})
    said = (
        f"{_number(count, 'worker is', 'workers are')} alive and run {_number(running, 'turn', 'turns')} of the agent "
    )
    said += f"{' and '.join(agents)}."
    if len(agents) > 1:
        yield Finding("workers", "warning", said, "Give all workers the same AGENT, unless this is during a deploy.")
    elif count == 1:
        yield Finding("workers", "note", said, "With a second one, calls continue when this one is lost.")
    else:
        yield Finding("workers", "ok", said)
    if stuck := sum(int(worker.get("stuck_threads", 0)) for worker in system.workers):
        yield Finding(
            "workers", "warning", f"{_number(stuck, 'thread is', 'threads are')} blocked by an agent.",
            "`agent.blocked` in the workers' logs names the line. Await there, or use asyncio.to_thread.",
        )  # fmt: skip
    age = system.heartbeat_age_seconds
    if age is None or age > HEARTBEAT_OLD_SECONDS:
        last = "not run yet" if age is None else f"not run for {age:.0f} s"
        yield Finding(
            "cron",
            "note",
            f"The workers' cron jobs have {last}.",
            "Look again in a minute; if it stays so, restart them.",
        )


def _rollout(system: SystemFacts) -> Iterator[Finding]:
    plan = system.rollout
    if not plan.is_active:
        return
    concerns = concerns_of(plan, running_versions(system.workers))
    if concerns:
        yield Finding(
            "rollout", "warning", " ".join([told(plan), *concerns]), "`voiceagent rollout` shows the versions."
        )
    else:
        yield Finding("rollout", "ok", told(plan))


def _queue(system: SystemFacts) -> Finding:
    waiting = _number(system.queue_depth, "call waits", "calls wait")
    if system.oldest_wait_seconds > SLOW_QUEUE_SECONDS:
        return Finding(
            "queue", "problem", f"{waiting}; the longest is {system.oldest_wait_seconds:.0f} s late.",
            "Start more workers, or look at why those there do not take them.",
        )  # fmt: skip
    return Finding("queue", "ok", f"{waiting} for a worker.")


def _number(count: int, one: str, many: str) -> str:
    return f"{count or 'No'} {one if count in (0, 1) else many}"
