"""The state managers' operations, on young calls."""

from functools import partial

from benchmarks.bench import Bench
from benchmarks.samples import Leg, in_turns, ratio

TABLE = "state managers"
OPERATIONS = ("create", "get", "update")
BARE = {"create": "bare-set", "get": "bare-get", "update": "bare-set"}


async def managers(bench: Bench) -> None:
    """In memory; and in Redis next to a bare GET or SET of the same bytes."""
    async with bench.product.redis() as redis:
        await redis.flushdb()
    async with bench.stage.driver("states", bench.product.environment) as driver:
        names = [f"{kind}-{name}" for kind in ("memory", "redis") for name in OPERATIONS] + ["bare-get", "bare-set"]
        count = bench.choose(200, 500)
        for name in names:
            await driver.run(name, count)
        legs: dict[str, Leg] = {name: partial(driver.run, name, count) for name in names}
        series = await in_turns(bench.choose(5, 9), legs)
        for name in names:
            bench.timed_row(TABLE, name.replace("-", ", ").replace("redis,", "Redis,"), series[name])
        for name in OPERATIONS:
            bench.figure(f"memory.{name}_ms", series[f"memory-{name}"].ms(0.5))
            bench.figure(f"redis.{name}_over_bare", ratio(series[f"redis-{name}"], series[BARE[name]]))
            bench.figure(f"redis.{name}_ms", series[f"redis-{name}"].ms(0.5))
