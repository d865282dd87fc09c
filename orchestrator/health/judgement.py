"""The judgement of workers, cron jobs and dead letters, in the sentences that the doctor and the dashboard share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.health.finding import Finding, Level
from orchestrator.sentence import NO_WORKERS, Code, Param, Sentence

HEARTBEAT_OLD_SECONDS = 90


def judge_workers(workers: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield the findings about the living workers, by what they report of themselves."""
    count = len(workers)
    if not count:
        yield Finding.saying("workers", "problem", NO_WORKERS)
        return
    running = sum(int(worker.get("running", 0)) for worker in workers)
    agents = sorted({str(worker.get("agent", "?")) for worker in workers})
    said = f"{number_of(count, 'worker is', 'workers are')} alive and run {number_of(running, 'turn', 'turns')}"
    said += f" of the agent {' and '.join(agents)}."
    level: Level = "ok"
    code: Code = "workers_alive"
    advice = ""
    if len(agents) > 1:
        level, code = "warning", "workers_mixed"
        advice = "Give all workers the same AGENT, unless this is during a deploy."
    elif count == 1:
        level, code = "note", "worker_alone"
        advice = "With a second one, calls continue when this one is lost."
    params: dict[str, Param] = {"count": count, "running": running, "agents": ", ".join(agents)}
    yield Finding("workers", level, said, advice, code, params)
    if stuck := sum(int(worker.get("stuck_threads", 0)) for worker in workers):
        blocked = Sentence(
            "threads_blocked", f"{number_of(stuck, 'thread is', 'threads are')} blocked by an agent.",
            "`agent.blocked` in the workers' logs names the line. Await there, or use asyncio.to_thread.",
            {"count": stuck},
        )  # fmt: skip
        yield Finding.saying("workers", "warning", blocked)


def judge_cron(age: float | None) -> Iterator[Finding]:
    """Yield what is to be said of cron jobs that ran last `age` seconds ago; None: no one knows of a run."""
    if age is None or age > HEARTBEAT_OLD_SECONDS:
        last = "not run yet" if age is None else f"not run for {age:.0f} s"
        yield Finding(
            "cron",
            "note",
            f"The workers' cron jobs have {last}.",
            "Look again in a minute; if it stays so, restart them.",
        )


def judge_dead_letters(count: int) -> Iterator[Finding]:
    """Yield what is to be said of so many dead letters."""
    if count:
        failed = Sentence(
            "dead_letters", f"{number_of(count, 'turn', 'turns')} failed for good.",
            "`voiceagent dead` lists them; each took its worker down three times.", {"count": count},
        )  # fmt: skip
        yield Finding.saying("dead letters", "warning", failed)


def number_of(count: int, one: str, many: str) -> str:
    """Return how many there are, in words."""
    return f"{count or 'No'} {one if count in (0, 1) else many}"
