"""What running calls notice of more callers than the workers can answer."""

from benchmarks.bench import Bench
from benchmarks.samples import Run, Series, middle
from benchmarks.trees import PRESENT

TABLE = "overload"
SLOTS = 8
"""Turns that the worker runs at once. With agents that take 0.25 s it answers 32 turns a second."""
CARRIED = 32
"""Callers who keep it busy for four fifths of its time: a turn each 1.25 s."""
SHED_AFTER = "0.1"


async def overload(bench: Bench) -> None:
    """Turns of running calls, at the load that a worker carries and at twice that; and the refusals of new calls."""
    carried, twice, unshed = Series(), Series(), Series()
    for number in range(bench.choose(1, 3)):
        carried.runs.append(await _round(bench, CARRIED, SHED_AFTER))
        twice.runs.append(await _round(bench, 2 * CARRIED, SHED_AFTER))
        if number == 0:  # told for comparison only
            unshed.runs.append(await _round(bench, 2 * CARRIED, "off"))
    refusals = Series([_refusals(run) for run in twice.runs])
    bench.timed_row(TABLE, f"{CARRIED} callers: what the worker carries", _of_turns(carried))
    bench.timed_row(TABLE, f"{2 * CARRIED} callers", _of_turns(twice))
    bench.timed_row(TABLE, "the same: refusals of new calls", refusals)
    bench.timed_row(TABLE, f"{2 * CARRIED} callers without shedding", _of_turns(unshed))
    bench.figure("overload.p99_times", _times(twice, carried))
    bench.figure("overload.unshed_times", _times(unshed, Series(carried.runs[:1])))
    bench.figure("overload.refusal_p99_ms", refusals.ms(0.99))


async def _round(bench: Bench, callers: int, shed_after: str) -> Run:
    """One round on a deployment of its own: calls of the round before must not be there."""
    steps = bench.choose(30, 36)
    async with (
        bench.deployment(PRESENT) as deployment,
        deployment.workers(1, WORKER_MAX_TURNS=str(SLOTS)),
        deployment.web(SHED_AFTER_SECONDS=shed_after) as (_, url),
        bench.stage.driver("overload", deployment.environment | {"WEB_URL": url}) as driver,
    ):
        return await driver.run("step", callers * steps, callers)


def _turns(run: Run) -> Run:
    return Run(run.seconds, [seconds for seconds in run.latencies if seconds >= 0], run.errors)


def _refusals(run: Run) -> Run:
    return Run(run.seconds, [-seconds for seconds in run.latencies if seconds < 0], run.errors)


def _of_turns(series: Series) -> Series:
    return Series([_turns(run) for run in series.runs])


def _times(one: Series, other: Series) -> float:
    """How many times the other's p99 it is: the median over the rounds."""
    rounds = zip(_of_turns(one).runs, _of_turns(other).runs, strict=True)
    return middle(a.percentile(0.99) / b.percentile(0.99) for a, b in rounds)
