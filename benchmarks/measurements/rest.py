"""What the system costs while nobody calls, and what its programs take to start."""

import asyncio
import subprocess
import time
from dataclasses import dataclass, field
from statistics import median

from benchmarks.bench import Bench
from benchmarks.comparison import over_before
from benchmarks.deployment import Deployment
from benchmarks.processes import environment_of
from benchmarks.trees import Tree

TABLE = "at rest"
IMPORTS = {
    "web": "import web.app, web.server, orchestrator.runtime",
    "workers": "import workers.program",
}
SETTLE_SECONDS = 3


async def rest(bench: Bench) -> None:
    """A web process and two workers, idle."""
    async with bench.product.workers(2) as workers, bench.product.web() as (web, _):
        programs = {"worker 1": workers[0], "worker 2": workers[1], "web": web}
        await asyncio.sleep(SETTLE_SECONDS)
        before, began = {name: program.cpu_seconds for name, program in programs.items()}, time.perf_counter()
        commands, redis_cpu = await _redis_cost(bench.product, bench.choose(5, 15))
        took = time.perf_counter() - began
        bench.row(TABLE, what="Redis, 2 workers, 1 web", per_second=commands, cpu_percent=100 * redis_cpu)
        for name, program in programs.items():
            bench.row(TABLE, what=name, cpu_percent=100 * (program.cpu_seconds - before[name]) / took)
        bench.figure("rest.commands_per_second", commands)


async def idle_workers(bench: Bench) -> None:
    """The commands of one worker with nothing to do, now and before; of 100, reckoned from what 1 and 5 cost."""
    for tree in bench.trees:
        async with bench.deployment(tree) as deployment:
            commands, cpu = await _cost_of_workers(bench, deployment, 1)
            bench.row(TABLE, what="one idle worker", tree=tree.label, per_second=commands, cpu_percent=100 * cpu)
            bench.figure(f"idle.commands_per_second_{tree.label}", commands)
            if tree.label == "now":
                five, _ = await _cost_of_workers(bench, deployment, 5)
                each = (five - commands) / 4
                bench.row(TABLE, what="100 idle workers (reckoned)", tree=tree.label, per_second=100 * each)


async def _cost_of_workers(bench: Bench, deployment: Deployment, number: int) -> tuple[float, float]:
    async with deployment.workers(number):
        await asyncio.sleep(SETTLE_SECONDS)
        return await _redis_cost(deployment, bench.choose(10, 60))  # in a minute, cron runs


async def _redis_cost(deployment: Deployment, seconds: float) -> tuple[float, float]:
    """Return commands a second, scripts' own included, and the share of a processor that Redis used."""
    server = deployment.server.process
    async with deployment.redis() as redis:
        before, cpu, began = await _calls(redis), server.cpu_seconds, time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        return (await _calls(redis) - before - 1) / took, (server.cpu_seconds - cpu) / took


async def _calls(redis: object) -> int:
    stats = await redis.info("commandstats")  # type: ignore[attr-defined]
    return sum(int(fields["calls"]) for fields in stats.values())


@dataclass
class ImportTimes:
    """Of one program, one tree: by the clock, and of the processor, in seconds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


async def imports(bench: Bench) -> None:
    """How long the programs take to import all they run with, each time in a new process, now and before."""
    for program, statement in IMPORTS.items():
        found = {tree.label: ImportTimes() for tree in bench.trees}
        for number in range(bench.choose(4, 10)):
            for tree in bench.trees if number % 2 == 0 else reversed(bench.trees):
                wall, cpu = await _import(bench, tree, statement)
                if number:  # the first one may compile
                    found[tree.label].wall.append(wall)
                    found[tree.label].cpu.append(cpu)
        for label, times in found.items():
            cells = {"p50_ms": 1000 * median(times.wall), "cpu_ms": 1000 * median(times.cpu)}
            bench.row(TABLE, what=f"import of {program}", tree=label, **cells)
        bench.figure(f"import.{program}_s", median(found["now"].wall))
        if "before" in found:
            ratios = over_before(found["now"].cpu, found["before"].cpu)
            bench.results.tables[TABLE][-2]["over_before"] = median(ratios)
            bench.figure(f"import.{program}_over_before", median(ratios))


async def _import(bench: Bench, tree: Tree, statement: str) -> tuple[float, float]:
    code = (
        "import time; began, cpu = time.perf_counter(), time.process_time()\n"
        f"{statement}\n"
        "print(time.perf_counter() - began, time.process_time() - cpu)"
    )
    done = await asyncio.to_thread(
        subprocess.run, [bench.stage.python(), "-c", code], cwd=tree.directory, env=environment_of(tree),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    wall, cpu = done.stdout.split()
    return float(wall), float(cpu)
