"""What grows: the history of a call, the number of calls, the queue, the workers."""

import asyncio
import time
from functools import partial

from benchmarks.bench import Bench
from benchmarks.contenders.turns import HISTORIES
from benchmarks.samples import Series, in_turns, ratio
from orchestrator.redis import keys

TABLE = "growth"
CALLS = (100, 10_000, 100_000)
SCHEDULED = (0, 1_000, 50_000)
FAR_MS = 4_000_000_000_000
DRAIN_SECONDS = 240.0


async def history(bench: Bench) -> None:
    """A turn of a call that has had 10, 50, 200 turns."""
    async with bench.product.workers(1), bench.product.turns() as turns:
        await turns.run("turn", 200, 10)
        legs = {f"{n}": partial(turns.run, f"history-{n}", bench.choose(20, 40)) for n in HISTORIES}
        series = await in_turns(bench.choose(8, 15), legs)
        for turns_before, found in series.items():
            bench.timed_row(TABLE, f"a turn after {turns_before} turns", found)
        bench.figure("history.200_over_10", ratio(series["200"], series["10"]))
        bench.figure("history.50_over_10", ratio(series["50"], series["10"]))


async def calls(bench: Bench) -> None:
    """Counting the active calls when there are 100, 10,000, 100,000."""
    async with bench.product.redis() as redis, bench.stage.driver("states", bench.product.environment) as driver:
        await redis.delete(keys.ACTIVE_CALLS)
        have = 0
        for number in CALLS:
            if number < 1000:
                await redis.zadd(keys.ACTIVE_CALLS, {f"CAfew{i}": 10_000_000_000 for i in range(number)})
            else:
                await driver.run("fill", (number - have) // 1000)
                have = number
            run = await driver.run("redis-count", bench.choose(200, 500))
            bench.timed_row(TABLE, f"counting {number:,} calls", Series([run]))
            bench.figure(f"count.{number}_ms", run.p50 * 1000)
        await redis.delete(keys.ACTIVE_CALLS)


async def queue(bench: Bench) -> None:
    """A turn while 0, 1,000, 50,000 jobs are scheduled for later in the same arq queue."""
    async with bench.product.workers(1), bench.product.turns() as turns, bench.product.redis() as redis:
        await turns.run("turn", 200, 10)
        for number in SCHEDULED:
            for start in range(0, number, 1000):
                await redis.zadd(keys.QUEUE, {f"later:{start + i}": FAR_MS for i in range(1000)})
            run = await turns.run("turn", bench.choose(200, 500))
            bench.timed_row(TABLE, f"a turn beside {number:,} scheduled jobs", Series([run]))
            bench.figure(f"queue.{number}_ms", run.p50 * 1000)
        await redis.delete(keys.QUEUE)


async def backlog(bench: Bench) -> None:
    """How fast one worker gets through turns that wait, of as many calls."""
    for number in (1_000,) if bench.quick else (1_000, 50_000):
        async with bench.product.turns() as turns, bench.product.redis() as redis:
            await redis.flushdb()
            await turns.answered("submit", number, 50)
            async with bench.product.workers(1):
                began = time.perf_counter()
                left = int(await redis.zcard(keys.DUE))
                async with asyncio.timeout(DRAIN_SECONDS):
                    while await redis.zcard(keys.DUE):
                        await asyncio.sleep(0.02)
                pace = left / (time.perf_counter() - began)
            bench.row(TABLE, what=f"{number:,} waiting turns, 1 worker", per_second=pace)
            bench.figure(f"backlog.{number}_per_second", pace)


async def _calls(redis: object) -> int:
    stats = await redis.info("commandstats")  # type: ignore[attr-defined]
    return sum(int(fields["calls"]) for fields in stats.values())
