"""The product as it is deployed, run from one source tree: its Redis server, workers, web process and callers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis

from benchmarks.processes import START_SECONDS, Driver, Process, RedisServer, Stage, free_port, until_open
from benchmarks.trees import Tree
from orchestrator.redis import keys

API_KEY = "benchmark-key"
AUTH_TOKEN = "benchmark-token"


class Deployment:
    """Runs programs of `tree` against `server`, with further `settings`."""

    def __init__(self, stage: Stage, tree: Tree, server: RedisServer, **settings: str) -> None:
        self._settings = settings
        self.stage = stage
        self.tree = tree
        self.server = server

    @property
    def environment(self) -> dict[str, str]:
        """The product's settings, as a deployment has them: logs at INFO, signatures, a key; but no limit of rates."""
        return {
            "USE_REDIS": "true", "REDIS_URL": self.server.url, "AGENT": "benchmarks.agents:empty",
            "API_KEY": API_KEY, "TWILIO_AUTH_TOKEN": AUTH_TOKEN, "LOG_FORMAT": "json",
            "API_RATE_LIMIT": "off", "CALLER_RATE_LIMIT": "off", **self._settings,
        }  # fmt: skip

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """A client for looking at the server."""
        async with Redis.from_url(self.server.url) as client:
            yield client

    @asynccontextmanager
    async def workers(
        self, number: int, launcher: Sequence[str] = ("-m",), **settings: str
    ) -> AsyncIterator[list[Process]]:
        """So many worker processes, ready. `launcher` are the arguments with which Python starts a module."""
        command = [self.stage.python(), *launcher, "workers"]
        async with AsyncExitStack() as stack, self.redis() as redis:
            before = int(await redis.zcard(keys.WORKERS))
            started = [
                await stack.enter_async_context(
                    self.stage.process(f"worker-{place}", command, self.environment | settings, tree=self.tree)
                )
                for place in range(number)
            ]
            await _until_counted(redis, before + number, started)
            yield started

    @asynccontextmanager
    async def web(self, launcher: Sequence[str] = ("-m",), **settings: str) -> AsyncIterator[tuple[Process, str]]:
        """A web process, and its URL."""
        port = free_port()
        command = [self.stage.python(), *launcher, "web"]
        environment = self.environment | {"PORT": str(port)} | settings
        async with self.stage.process("web", command, environment, tree=self.tree) as process:
            await until_open(port, process)
            yield process, f"http://127.0.0.1:{port}"

    @asynccontextmanager
    async def turns(self, **settings: str) -> AsyncIterator[Driver]:
        """A load generator that is an ingress: it is of the same tree."""
        async with self.stage.driver("turns", self.environment | settings, tree=self.tree) as driver:
            yield driver

    @asynccontextmanager
    async def callers(self, web_url: str) -> AsyncIterator[Driver]:
        """A load generator that talks HTTP to the web process: it is of the present tree."""
        async with self.stage.driver("web_turns", self.environment | {"WEB_URL": web_url}) as driver:
            yield driver

    @asynccontextmanager
    async def floor(self) -> AsyncIterator[Driver]:
        """The bare BLPOP hops and the bare pub/sub, through the same server."""
        environment = {"REDIS_URL": self.server.url}
        command = [self.stage.python(), "-m", "benchmarks.contenders.floor"]
        async with (
            self.stage.process("floor", command, environment),
            self.stage.driver("floor", environment) as driver,
        ):
            yield driver


async def _until_counted(redis: Redis, number: int, started: list[Process]) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while int(await redis.zcard(keys.WORKERS)) < number:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise started[-1].failed("did not say that it is ready") from None
