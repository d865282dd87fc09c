"""What tenants notice of each other."""

import asyncio
import tempfile
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.contenders.tenants import routes
from benchmarks.deployment import Deployment
from benchmarks.processes import BenchmarkFailed
from benchmarks.samples import Run, in_turns, middle
from benchmarks.trees import PRESENT
from orchestrator.tasks import cancel_and_wait

TABLE = "tenants"
WORKERS = 2
RATE = 1.0
"""Turns a second of each tenant, when none makes noise."""
NOISE = 100
"""How many times its load the noisy tenant has."""
TENANTS = 10
"""How many others there are."""
FILL_SECONDS = 7.0
"""After so long the noisy tenant has all the turn slots that it gets: its agents take five seconds."""
NOISE_SECONDS = 250.0
ALLOWED_TIMES, ALLOWED_MORE_MS = 1.5, 5.0


async def noise(bench: Bench) -> None:
    """The turns of ten tenants, alone, and beside one with a hundred times its load and agents that take 5 s."""
    seconds = bench.choose(8, 20)
    with tempfile.TemporaryDirectory(prefix="va-routes-") as directory:
        file = Path(directory) / "routes.toml"
        file.write_text(routes())
        series = await in_turns(
            bench.choose(1, 5),
            {
                "alone": lambda: _round(bench, file, seconds, noise=0),
                "beside": lambda: _round(bench, file, seconds, noise=NOISE),
            },
        )
    alone, beside = ([1000 * run.percentile(0.99) for run in series[n].runs] for n in ("alone", "beside"))
    bench.timed_row(TABLE, f"{TENANTS} tenants, a turn a second each", series["alone"])
    bench.timed_row(TABLE, f"the same, beside one with {NOISE} turns of 5 s a second", series["beside"])
    bench.figure("tenants.alone_p99_ms", middle(alone))
    bench.figure("tenants.beside_p99_ms", middle(beside))
    bench.figure("tenants.over_allowed", over_allowed(alone, beside))


def over_allowed(alone_ms: list[float], beside_ms: list[float]) -> float:
    """How many times what is allowed it takes: the median over the rounds."""
    rounds = zip(alone_ms, beside_ms, strict=True)
    return middle(beside / (ALLOWED_TIMES * alone + ALLOWED_MORE_MS) for alone, beside in rounds)


async def _round(bench: Bench, file: Path, seconds: int, *, noise: int) -> Run:
    """One round on a deployment of its own: what the noisy tenant has left over must not be there in the next one."""
    settings = {"ROUTES": str(file)}
    async with bench.deployment(PRESENT) as deployment, deployment.workers(WORKERS, **settings):
        making = asyncio.create_task(_make_noise(deployment, settings, noise * RATE))
        try:
            await asyncio.sleep(FILL_SECONDS if noise else 1.0)
            async with bench.stage.driver("tenants", deployment.environment | settings) as driver:
                rate = RATE * TENANTS
                await driver.run("quiet", 10, 10)  # connections, and what a first turn brings in
                run = await driver.run("quiet", int(rate * seconds), TENANTS, rate=rate)
            if noise and making.done():
                await making  # it failed, or fell silent too soon
                raise BenchmarkFailed("the noisy tenant was silent before the others were measured")
            return run
        finally:
            await cancel_and_wait(making)


async def _make_noise(deployment: Deployment, settings: dict[str, str], rate: float) -> None:
    """Until it is cancelled: longer than any round takes."""
    if rate:
        environment = deployment.environment | settings
        async with deployment.stage.driver("tenants", environment) as driver:
            await driver.run("noisy", int(rate * NOISE_SECONDS), 1, rate=rate)
