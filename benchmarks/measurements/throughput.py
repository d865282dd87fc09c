"""How many turns a second, every one with its state committed, and how that grows with workers."""

from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import all_running
from benchmarks.samples import in_turns, ratio

TABLE = "throughput"
AT_ONCE = 100
WORKERS = (1, 2, 4)


async def workers(bench: Bench) -> None:
    """The load generator is the ingress, and takes its share of the processors."""
    for number in WORKERS:
        async with bench.product.workers(number), bench.product.turns() as turns:
            await turns.run("turn", 300, AT_ONCE)
            series = await in_turns(
                bench.choose(2, 3), {"turn": partial(turns.run, "turn", bench.choose(800, 2000), AT_ONCE)}
            )
            what = f"inner turns, {number} worker{'s' if number > 1 else ''}"
            bench.timed_row(TABLE, what, series["turn"], at_once=AT_ONCE)
            bench.figure(f"throughput.{number}_workers", series["turn"].per_second)


async def web(bench: Bench) -> None:
    """Turns over HTTP, now and before: load generator, one web process, one worker and Redis share the machine."""
    async with all_running(bench) as trees:
        count = bench.choose(400, 1500)
        for line, title in (("webhook", "webhook turns, 1 web, 1 worker"), ("api", "API turns, 1 web, 1 worker")):
            for one in trees.values():
                await one.callers.prepared(line, count, AT_ONCE)
            legs = {label: partial(one.callers.prepared, line, count, AT_ONCE) for label, one in trees.items()}
            series = await in_turns(bench.choose(5, 9), legs)
            for label in trees:
                bench.timed_row(TABLE, title, series[label], tree=label, at_once=AT_ONCE)
            if "before" in series:
                more = ratio(series["now"], series["before"], of=lambda run: run.per_second)
                bench.results.tables[TABLE][-len(trees)]["over_before"] = more
                bench.figure(f"throughput.{line}_over_before", more)
