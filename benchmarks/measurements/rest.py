"""What the system costs while nobody calls, and what its programs take to start."""

import asyncio
import subprocess
import time
from statistics import median

from benchmarks.bench import Bench
from benchmarks.measurements.growth import redis_cost

TABLE = "at rest"
IMPORTS = {
    "web": "import web.__main__, orchestrator.runtime",
    "workers": "import workers.program",
}


async def rest(bench: Bench) -> None:
    """A web process and two workers, idle."""
    async with bench.product.workers(2) as workers, bench.product.web() as (web, _):
        programs = {"worker 1": workers[0], "worker 2": workers[1], "web": web}
        await asyncio.sleep(2)
        before, began = {name: program.cpu_seconds for name, program in programs.items()}, time.perf_counter()
        commands, redis_cpu = await redis_cost(bench, bench.choose(5, 15))
        took = time.perf_counter() - began
        bench.row(TABLE, what="Redis", per_second=commands, cpu_percent=100 * redis_cpu)
        for name, program in programs.items():
            bench.row(TABLE, what=name, cpu_percent=100 * (program.cpu_seconds - before[name]) / took)
        bench.figure("rest.commands_per_second", commands)


async def imports(bench: Bench) -> None:
    """How long the programs take to import all they run with."""
    for program, statement in IMPORTS.items():
        measure = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
        command = [bench.stage.python(), "-c", measure]
        times = []
        for _ in range(bench.choose(3, 5)):
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
            times.append(float(done.stdout))
        bench.row(TABLE, what=f"import of {program}", p50_ms=1000 * median(times))
        bench.figure(f"import.{program}_s", median(times))
