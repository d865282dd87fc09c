"""What encryption costs a turn: the present tree with keys beside itself without, in turns."""

from contextlib import AsyncExitStack
from functools import partial
from statistics import median

from benchmarks.bench import Bench
from benchmarks.comparison import RunningTree, Spent, over_before, running
from benchmarks.samples import in_turns, percentile, ratio
from benchmarks.trees import PRESENT
from orchestrator.encryption.keys import new_key

TABLE = "what encryption costs a turn"
IN_FLIGHT = 30
SUMMED = ("web", "worker", "redis")


async def encryption(bench: Bench) -> None:
    """A turn with STATE_ENCRYPTION_KEYS over one without: the processor time of all processes, and the inner turn."""
    async with AsyncExitStack() as stack:
        sides = {
            "plain": await stack.enter_async_context(running(bench, PRESENT)),
            "encrypted": await stack.enter_async_context(running(bench, PRESENT, STATE_ENCRYPTION_KEYS=new_key())),
        }
        await _processor_time(bench, sides)
        await _inner_turn(bench, sides)


async def _processor_time(bench: Bench, sides: dict[str, RunningTree]) -> None:
    count = bench.choose(150, 500)
    spent: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(bench.choose(7, 15)):
        for side in list(sides) if number % 2 == 0 else reversed(list(sides)):
            one = sides[side]
            await one.callers.prepare("webhook", count, IN_FLIGHT)
            _, each = await one.watched(one.callers, partial(one.callers.run, "webhook", count, IN_FLIGHT))
            if number:  # the first round warms up
                spent[side].append(_sum(each))
    ratios = over_before(spent["encrypted"], spent["plain"])
    for side, sums in spent.items():
        bench.row(TABLE, what="webhook turn, processor time", tree=side, sum_us=median(sums))
    bench.results.tables[TABLE][-1] |= {
        "over_before": median(ratios),
        "half_between": f"{percentile(ratios, 0.25):.2f}–{percentile(ratios, 0.75):.2f}",
    }
    bench.figure("encryption.webhook_over_plain", median(ratios))


async def _inner_turn(bench: Bench, sides: dict[str, RunningTree]) -> None:
    count = bench.choose(40, 100)
    legs = {side: partial(one.turns.run, "turn", count) for side, one in sides.items()}
    series = await in_turns(bench.choose(15, 30), legs)
    for side, found in series.items():
        bench.timed_row(TABLE, "inner turn, one call at a time", found, tree=side)
    bench.figure("encryption.turn_over_plain", ratio(series["encrypted"], series["plain"]))


def _sum(spent: Spent) -> float:
    return sum(spent[name] for name in SUMMED)
