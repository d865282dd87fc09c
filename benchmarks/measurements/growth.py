"""What grows: the history of a call, the number of calls, the queue, the workers."""

import asyncio
import time
from functools import partial

from benchmarks.bench import Bench
from benchmarks.contenders.turns import HISTORIES
from benchmarks.samples import in_turns, ratio
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
        legs = {f"{n}": partial(turns.run, f"history-{n}", bench.choose(50, 100)) for n in HISTORIES}
        series = await in_turns(bench.choose(3, 5), legs)
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
            bench.row(TABLE, what=f"counting {number:,} calls", p50_ms=run.p50 * 1000)
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
            bench.row(TABLE, what=f"a turn beside {number:,} scheduled jobs", p50_ms=run.p50 * 1000)
            bench.figure(f"queue.{number}_ms", run.p50 * 1000)
        await redis.delete(keys.QUEUE)


async def backlog(bench: Bench) -> None:
    """How fast one worker gets through turns that wait, of as many calls."""
    for number in (1_000,) if bench.quick else (1_000, 50_000):
        async with bench.product.turns() as turns, bench.product.redis() as redis:
            await redis.flushdb()
            await turns.run("submit", number, 50)
            async with bench.product.workers(1):
                began = time.perf_counter()
                left = int(await redis.zcard(keys.DUE))
                async with asyncio.timeout(DRAIN_SECONDS):
                    while await redis.zcard(keys.DUE):
                        await asyncio.sleep(0.02)
                pace = left / (time.perf_counter() - began)
            bench.row(TABLE, what=f"{number:,} waiting turns, 1 worker", per_second=pace)
            bench.figure(f"backlog.{number}_per_second", pace)


async def idle_workers(bench: Bench) -> None:
    """What workers with nothing to do cost Redis; 100 of them are reckoned from what a few cost."""
    costs: dict[int, tuple[float, float]] = {}
    for number in (1, 5):
        async with bench.product.workers(number):
            costs[number] = await redis_cost(bench, bench.choose(4, 10))
    commands = (costs[5][0] - costs[1][0]) / 4
    cpu = (costs[5][1] - costs[1][1]) / 4
    bench.row(TABLE, what="one idle worker: commands/s", per_second=commands)
    bench.row(TABLE, what="100 idle workers: commands/s (reckoned)", per_second=100 * commands)
    bench.figure("idle.commands_per_second", commands)
    bench.figure("idle.redis_cpu_percent_of_100", 100 * 100 * cpu)


async def redis_cost(bench: Bench, seconds: float) -> tuple[float, float]:
    """Commands a second and the share of a processor that Redis used, scripts' own commands included."""
    server = bench.product.server.process
    async with bench.product.redis() as redis:
        await asyncio.sleep(1)
        before, cpu, began = await _calls(redis), server.cpu_seconds, time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        return (await _calls(redis) - before - 1) / took, (server.cpu_seconds - cpu) / took


async def _calls(redis: object) -> int:
    stats = await redis.info("commandstats")  # type: ignore[attr-defined]
    return sum(int(fields["calls"]) for fields in stats.values())
