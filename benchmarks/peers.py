"""The other queues, and how each is run as its makers recommend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.processes import Driver

ON_UVLOOP = ("-m", "benchmarks.contenders.on_uvloop")
IN_FLIGHT = "100"


@dataclass(frozen=True)
class Peer:
    """`module` is its contender. `slow`: it polls by the half second, so that few of its jobs tell all."""

    title: str
    module: str
    command: tuple[str, ...]
    own_environment: bool = True
    slow: bool = False
    most_at_once: int = 1000

    def python(self, bench: Bench) -> str:
        """The interpreter that has its packages."""
        return bench.stage.python(self.own_environment)

    def is_installed(self, bench: Bench) -> bool:
        """Whether there is that interpreter."""
        return Path(self.python(bench)).exists()


PEERS = (
    Peer(
        "stock arq",
        "stock_arq",
        ("arq", "benchmarks.contenders.stock_arq.WorkerSettings"),
        own_environment=False,
        slow=True,
    ),
    Peer("SAQ", "saq_jobs", ("saq", "benchmarks.contenders.saq_jobs.settings")),
    Peer(
        "taskiq-redis",
        "taskiq_jobs",
        (
            "taskiq", "worker", "benchmarks.contenders.taskiq_jobs:broker", "--workers", "1", "--log-level",
            "WARNING", "--max-async-tasks", IN_FLIGHT,
        ),
    ),
    Peer(
        "docket",
        "docket_jobs",
        (
            "docket", "worker", "--tasks", "benchmarks.contenders.docket_jobs:tasks", "--docket", "bench",
            "--concurrency", IN_FLIGHT,
        ),
    ),
    Peer("streaQ", "streaq_jobs", ("streaq", "run", "benchmarks.contenders.streaq_jobs:worker"), slow=True,
         most_at_once=10),
)  # fmt: skip


@asynccontextmanager
async def at_work(bench: Bench, peer: Peer) -> AsyncIterator[Driver]:
    """A worker of the peer, and a load generator for it that has seen one job done."""
    environment = {"REDIS_URL": bench.product.server.url, "DOCKET_URL": bench.product.server.url, "PYTHONPATH": "."}
    command = [peer.python(bench), *ON_UVLOOP, *peer.command]
    async with (
        bench.stage.process(peer.module, command, environment) as worker,
        bench.stage.driver(peer.module, environment, peer=peer.own_environment) as driver,
    ):
        warm = await driver.run("job", 1)
        if warm.errors:
            raise worker.failed(f"did no job ({warm.errors[0]})")
        yield driver
