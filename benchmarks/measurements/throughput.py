"""How many turns a second, every one with its state committed, and how that grows with workers."""

from functools import partial

from benchmarks.bench import Bench
from benchmarks.samples import Series, in_turns

TABLE = "throughput"
AT_ONCE = 100
WORKERS = (1, 2, 4)


async def workers(bench: Bench) -> None:
    """The load generator is the ingress, and takes its share of the processors."""
    for number in WORKERS:
        async with bench.product.workers(number) as processes, bench.product.turns() as turns:
            await turns.run("turn", 300, AT_ONCE)
            before = [process.cpu_seconds for process in (*processes, bench.product.server.process)]
            series = await in_turns(
                bench.choose(2, 3), {"turn": partial(turns.run, "turn", bench.choose(800, 2000), AT_ONCE)}
            )
            after = [process.cpu_seconds for process in (*processes, bench.product.server.process)]
            bench.timed_row(TABLE, f"{number} worker{'s' if number > 1 else ''}", series["turn"], at_once=AT_ONCE)
            bench.figure(f"throughput.{number}_workers", series["turn"].per_second)
        if number == 1:
            spent = [(b - a) / len(series["turn"].latencies) for a, b in zip(before, after, strict=True)]
            bench.row(TABLE, what="processor time of a turn: worker", p50_ms=1000 * spent[0])
            bench.row(TABLE, what="processor time of a turn: Redis", p50_ms=1000 * spent[-1])


async def web(bench: Bench) -> None:
    """The same with a web process between: load generator, web, worker and Redis share the machine."""
    async with (
        bench.product.workers(1),
        bench.product.web() as (_, urls),
        bench.stage.driver("web_turns", urls) as driver,
    ):
        await driver.run("api", 300, AT_ONCE)
        count = bench.choose(400, 1000)
        series = await in_turns(
            bench.choose(2, 3),
            {
                "api": partial(driver.prepared, "api", count, AT_ONCE),
                "webhook": partial(driver.prepared, "webhook", count, AT_ONCE),
            },
        )
        bench.timed_row(TABLE, "1 web, 1 worker: API", series["api"], at_once=AT_ONCE)
        bench.timed_row(TABLE, "1 web, 1 worker: webhooks", series["webhook"], at_once=AT_ONCE)


async def steady(bench: Bench) -> None:
    """1,000 calls with a turn every 8 s each: 125 turns a second that come at random, over the webhooks' HTTP."""
    async with (
        bench.product.workers(1),
        bench.product.web() as (_, urls),
        bench.stage.driver("web_turns", urls) as driver,
    ):
        await driver.run("api", 300, 50)
        series = Series([await driver.run("api", bench.choose(600, 2000), rate=125)])
        bench.timed_row(TABLE, "1,000 calls, a turn every 8 s", series, at_once="125/s")
        bench.figure("steady.p99_ms", series.ms(0.99))
