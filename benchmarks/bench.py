"""What measurements work with: the stage, the product's processes, and the place where results are noted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from math import isnan

from redis.asyncio import Redis

from benchmarks.processes import START_SECONDS, Driver, Process, Stage, free_port, until_open
from benchmarks.samples import Series
from orchestrator.redis import keys

API_KEY = "benchmark-key"
AUTH_TOKEN = "benchmark-token"


@dataclass
class Results:
    """What was measured: rows of tables, and single figures that budgets and pages go by."""

    tables: dict[str, list[dict[str, str | float]]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


class Bench:
    """One run of the benchmarks. `quick` asks for fewer and shorter rounds."""

    def __init__(self, stage: Stage, redis_url: str, results: Results, *, quick: bool) -> None:
        self.stage = stage
        self.redis_url = redis_url
        self.quick = quick
        self.results = results

    def choose(self, quick: int, full: int) -> int:
        """How much of something there is to be."""
        return quick if self.quick else full

    def row(self, table: str, **cells: str | float) -> None:
        """Add a row to a table."""
        self.results.tables.setdefault(table, []).append(cells)

    def timed_row(self, table: str, what: str, series: Series, **cells: str | float) -> None:
        """Add the percentiles, the pace and the errors of a series."""
        self.row(
            table,
            **{"what": what, **cells},
            p50_ms=series.ms(0.5),
            p95_ms=series.ms(0.95),
            p99_ms=series.ms(0.99),
            per_second=series.per_second,
            errors=", ".join(sorted(set(series.errors))) and f"{len(series.errors)}× {series.errors[0]}",
        )

    def figure(self, name: str, value: float) -> None:
        """Note a figure; budgets know it by its name."""
        if not isnan(value):
            self.results.figures[name] = value

    def trouble(self, what: object) -> None:
        """Note what could not be measured."""
        self.results.troubles.append(str(what))

    @property
    def environment(self) -> dict[str, str]:
        """The product's settings, as a deployment has them: logs at INFO, signatures, a key."""
        return {
            "USE_REDIS": "true", "REDIS_URL": self.redis_url, "AGENT": "benchmarks.agents:empty",
            "API_KEY": API_KEY, "TWILIO_AUTH_TOKEN": AUTH_TOKEN, "LOG_FORMAT": "json",
        }  # fmt: skip

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """A client for looking at the server."""
        async with Redis.from_url(self.redis_url) as client:
            yield client

    @asynccontextmanager
    async def workers(self, number: int, **settings: str) -> AsyncIterator[list[Process]]:
        """So many worker processes, ready."""
        command = [self.stage.python(), "-m", "workers"]
        async with AsyncExitStack() as stack, self.redis() as redis:
            before = int(await redis.zcard(keys.WORKERS))
            started = [
                await stack.enter_async_context(
                    self.stage.process(f"worker-{place}", command, self.environment | settings)
                )
                for place in range(number)
            ]
            await self._until_counted(redis, before + number, started)
            yield started

    @asynccontextmanager
    async def web(self) -> AsyncIterator[tuple[Process, dict[str, str]]]:
        """A web process and a bare Starlette server; the first, and the environment of who talks to both."""
        product, bare = free_port(), free_port()
        async with (
            self.stage.process(
                "web", [self.stage.python(), "-m", "web"], self.environment | {"PORT": str(product)}
            ) as web,
            self.stage.process(
                "bare", [self.stage.python(), "-m", "benchmarks.contenders.bare_post"], {"PORT": str(bare)}
            ) as plain,
        ):
            await until_open(product, web)
            await until_open(bare, plain)
            urls = {"WEB_URL": f"http://127.0.0.1:{product}", "BARE_URL": f"http://127.0.0.1:{bare}"}
            yield web, self.environment | urls

    @asynccontextmanager
    async def floor(self) -> AsyncIterator[Driver]:
        """The bare BLPOP hops and the bare pub/sub."""
        environment = {"REDIS_URL": self.redis_url}
        command = [self.stage.python(), "-m", "benchmarks.contenders.floor"]
        async with (
            self.stage.process("floor", command, environment),
            self.stage.driver("floor", environment) as driver,
        ):
            yield driver

    @asynccontextmanager
    async def turns(self, **settings: str) -> AsyncIterator[Driver]:
        """A load generator that is an ingress."""
        async with self.stage.driver("turns", self.environment | settings) as driver:
            yield driver

    @staticmethod
    async def _until_counted(redis: Redis, number: int, started: list[Process]) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while int(await redis.zcard(keys.WORKERS)) < number:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise started[-1].failed("did not say that it is ready") from None
