"""Where the processor time of a webhook turn goes, part by part, in the real processes under load."""

import json
import mmap
import struct
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import parts, probe
from benchmarks.bench import Bench
from benchmarks.comparison import RunningTree
from benchmarks.deployment import Deployment
from benchmarks.trees import PRESENT

TABLE = "where a webhook's time goes"
IN_FLIGHT = 30
LEAST_US = 0.5
REST = "event loop, sockets and all else"


class Probed:
    """A program's counters."""

    def __init__(self, name: str, of: parts.Parts, directory: str) -> None:
        self.name = name
        self.parts = of
        self._path = Path(directory) / name
        self._path.write_bytes(bytes(16 * (len(of) + 1)))

    @property
    def launcher(self) -> tuple[str, ...]:
        """What stands in the place of `-m`."""
        return (probe.__file__,)

    @property
    def environment(self) -> dict[str, str]:
        """What the probe wants to know."""
        return {"PROBE_PARTS": json.dumps(self.parts), "PROBE_COUNTERS": str(self._path)}

    def read(self) -> list[tuple[int, int]]:
        """Return nanoseconds and entries of each part; at last what an entry costs, and how many functions it found."""
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return list(struct.iter_unpack("qq", content[:]))


async def breakdown(bench: Bench) -> None:
    """Where the processor time of a webhook turn goes, with 30 in flight, by part of web, worker and Redis."""
    count = bench.choose(300, 1500)
    rounds: list[dict[tuple[str, str], float]] = []
    with TemporaryDirectory(prefix="va-bench-probe-") as directory:
        web, worker = Probed("web", parts.WEB, directory), Probed("worker", parts.WORKER, directory)
        async with AsyncExitStack() as stack:
            deployment = await stack.enter_async_context(bench.deployment(PRESENT))
            one = await _running(stack, deployment, web, worker)
            await one.callers.prepared("webhook", count, IN_FLIGHT)
            for _ in range(bench.choose(3, 7)):
                rounds.append(await _round(deployment, one, count, (web, worker)))
            for probed in (web, worker):
                if (found := probed.read()[-1][1]) != (wanted := sum(map(len, probed.parts.values()))):
                    bench.trouble(f"{wanted - found} functions of {probed.name} that benchmarks/parts.py names")
    shares = {place: median(one[place] for one in rounds) for place in rounds[0]}
    _note(bench, shares)


async def _running(stack: AsyncExitStack, deployment: Deployment, web: Probed, worker: Probed) -> RunningTree:
    workers = deployment.workers(1, launcher=worker.launcher, **worker.environment)
    (worker_process,) = await stack.enter_async_context(workers)
    web_process, url = await stack.enter_async_context(deployment.web(launcher=web.launcher, **web.environment))
    callers = await stack.enter_async_context(deployment.callers(url))
    turns = await stack.enter_async_context(deployment.turns())
    processes = {"web": web_process, "worker": worker_process, "redis": deployment.server.process}
    return RunningTree(PRESENT, processes, callers, turns)


async def _round(
    deployment: Deployment, one: RunningTree, count: int, programs: tuple[Probed, ...]
) -> dict[tuple[str, str], float]:
    """Return the µs of a turn by process and part."""
    await one.callers.prepare("webhook", count, IN_FLIGHT)
    before, scripts = [program.read() for program in programs], await _script_us(deployment)
    run, spent = await one.watched(one.callers, lambda: one.callers.run("webhook", count, IN_FLIGHT))
    turns = len(run.latencies)
    shares: dict[tuple[str, str], float] = {}
    for program, old in zip(programs, before, strict=True):
        new = program.read()
        us = [(now[0] - then[0]) / turns / 1000 for now, then in zip(new, old, strict=True)][:-1]
        shares |= {(program.name, part): us[place] for place, part in enumerate(program.parts)}
        entries = sum(now[1] - then[1] for now, then in zip(new[:-1], old[:-1], strict=True)) / turns
        shares[program.name, REST] = spent[program.name] - sum(us)
        shares[program.name, "of all that, these clocks (reckoned)"] = entries * new[-1][0] / 1000
    in_scripts = (await _script_us(deployment) - scripts) / turns
    shares["Redis", "scripts, by its own clock"] = in_scripts
    shares["Redis", REST] = spent["redis"] - in_scripts
    return shares


async def _script_us(deployment: Deployment) -> float:
    async with deployment.redis() as redis:
        stats: Mapping[str, Mapping[str, float]] = await redis.info("commandstats")
    return sum(float(stats.get(f"cmdstat_{name}", {}).get("usec", 0)) for name in ("evalsha", "eval"))


def _note(bench: Bench, shares: dict[tuple[str, str], float]) -> None:
    for (process, part), us in shares.items():
        if us >= LEAST_US:
            bench.row(TABLE, what=part, process=process, us=us)
