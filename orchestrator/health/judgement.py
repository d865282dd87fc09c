"""The judgement of workers, cron jobs and dead letters, in the sentences that the doctor and the dashboard share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.health.finding import Finding

HEARTBEAT_OLD_SECONDS = 90


def judge_workers(workers: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield the findings about the living workers, by what they report of themselves."""
    count = len(workers)
    if not count:
        yield Finding("workers", "problem", "No worker is alive.", "Start one: python -m workers")
        return
    running = sum(int(worker.get("running", 0)) for worker in workers)
    agents = sorted({str(worker.get("agent", "?")) for worker in workers})
    said = f"{number_of(count, 'worker is', 'workers are')} alive and run {number_of(running, 'turn', 'turns')}"
    said += f" of the agent {' and '.join(agents)}."
    if len(agents) > 1:
        yield Finding("workers", "warning", said, "Give all workers the same AGENT, unless this is during a deploy.")
    elif count == 1:
        yield Finding("workers", "note", said, "With a second one, calls continue when this one is lost.")
    else:
        yield Finding("workers", "ok", said)
    if stuck := sum(int(worker.get("stuck_threads", 0)) for worker in workers):
        yield Finding(
            "workers", "warning", f"{number_of(stuck, 'thread is', 'threads are')} blocked by an agent.",
            "`agent.blocked` in the workers' logs names the line. Await there, or use asyncio.to_thread.",
        )  # fmt: skip


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
        yield Finding(
            "dead letters", "warning", f"{number_of(count, 'turn', 'turns')} failed for good.",
            "`voiceagent dead` lists them; each took its worker down three times.",
        )  # fmt: skip


def number_of(count: int, one: str, many: str) -> str:
    """Return how many there are, in words."""
    return f"{count or 'No'} {one if count in (0, 1) else many}"
