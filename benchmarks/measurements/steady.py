"""Many calls at once, each with a turn every eight seconds: what a telephone's traffic looks like."""

import os
from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import RunningTree, Spent, all_running
from benchmarks.samples import Run, Series

TABLE = "calls at once"
CALLS = 10_000
SECONDS_BETWEEN_TURNS = 8
SHARE_OF_PROCESSORS = 0.7
IN_FLIGHT = 30


async def steady(bench: Bench) -> None:
    """As many calls as take 70 % of the processors, the load generator's share included, at most 10,000."""
    async with all_running(bench) as trees:
        for label, one in trees.items():
            calls = await _affordable(bench, one)
            run, busy, _ = await _run(one, calls, bench.choose(5, 25))
            bench.timed_row(
                TABLE, f"{calls:,} calls, a turn every 8 s", Series([run]), tree=label,
                at_once=f"{calls / SECONDS_BETWEEN_TURNS:,.0f}/s", cpu_percent=100 * busy,
            )  # fmt: skip
            if is_starved(run, calls / SECONDS_BETWEEN_TURNS, busy):
                bench.trouble(f"calls at once, {label}: other programs had the processors, ours {100 * busy:.0f} %")
                continue
            bench.figure(f"steady.calls_{label}", calls)
            bench.figure(f"steady.p99_ms_{label}", Series([run]).ms(0.99))
            bench.figure(f"steady.cpu_percent_{label}", 100 * busy)


async def _affordable(bench: Bench, one: RunningTree) -> int:
    """Return for how many calls the processors suffice: first by the cost of a turn in a crowd, then by a trial."""
    await one.callers.prepare("webhook", bench.choose(300, 1000), IN_FLIGHT)
    crowd = partial(one.callers.run, "webhook", bench.choose(300, 1000), IN_FLIGHT)
    _, spent = await one.watched(one.callers, crowd)
    calls = _calls_for(spent)
    _, _, spent = await _run(one, calls, bench.choose(2, 5))
    return _calls_for(spent)


def _calls_for(spent: Spent) -> int:
    a_second = SHARE_OF_PROCESSORS * processors() / (sum(spent.values()) / 1e6)
    return min(CALLS, int(a_second * SECONDS_BETWEEN_TURNS) // 50 * 50)


async def _run(one: RunningTree, calls: int, seconds: int) -> tuple[Run, float, Spent]:
    """Return the run, the share of the processors that it took, and what a turn cost."""
    rate = calls / SECONDS_BETWEEN_TURNS
    count = int(rate * seconds)
    await one.callers.prepare("webhook", count, calls, rate=rate)
    run, spent = await one.watched(one.callers, partial(one.callers.run, "webhook", count, calls, rate=rate))
    return run, sum(spent.values()) / 1e6 * len(run.latencies) / run.seconds / processors(), spent


def is_starved(run: Run, rate: float, busy: float) -> bool:
    """Whether turns fell behind `rate` (a second) though ours took less of the processors than it was to get."""
    return run.per_second < 0.95 * rate and busy < 0.9 * SHARE_OF_PROCESSORS


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))
