"""Where the processor time of a webhook turn goes, part by part, in the real processes under load."""

import json
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import parts, probe
from benchmarks.bench import Bench
from benchmarks.comparison import RunningTree, Spent, running
from benchmarks.deployment import Deployment
from benchmarks.trees import PRESENT

TABLE = "where a webhook's time goes"
IN_FLIGHT = 30
REST = "event loop, sockets and all else"
SCRIPTS = "scripts, by its own clock"
LEAST_US = 0.5


@dataclass(frozen=True)
class Clocked:
    """What the clocks say of one part on one turn: µs, how often it was entered, and how often it entered others."""

    us: float
    entered: float
    entered_others: float

    def without_clocks(self, each_us: float) -> float:
        """Return the time without the clocks': half of an entry's is in the part, half in the part's caller."""
        return self.us - each_us * (self.entered + self.entered_others) / 2


class ClockedProgram:
    """A program's parts and their counters."""

    def __init__(self, name: str, of: parts.Parts, directory: str) -> None:
        self.name = name
        self.parts = of
        self._path = Path(directory) / name
        self._path.write_bytes(bytes(24 * len(of) + 8))
        self._before: list[tuple[int, ...]] = []
        self.rounds: list[dict[str, Clocked]] = []

    @property
    def launcher(self) -> Sequence[str]:
        """What stands in the place of `-m`."""
        return (probe.__file__,)

    @property
    def environment(self) -> dict[str, str]:
        """What the probe wants to know."""
        return {"PROBE_PARTS": json.dumps(self.parts), "PROBE_COUNTERS": str(self._path)}

    def begin(self) -> None:
        """Begin a round."""
        self._before = self._read()

    def end(self, turns: int) -> None:
        """End a round of so many turns."""
        differences = (
            [(new - old) / turns for new, old in zip(*pair, strict=True)]
            for pair in zip(self._read(), self._before, strict=True)
        )
        clocked = [Clocked(ns / 1000, entered, others) for ns, entered, others in differences]
        self.rounds.append(dict(zip(self.parts, clocked, strict=True)))

    def missing(self) -> int:
        """Return how many of the functions the program does not have."""
        return sum(map(len, self.parts.values())) - int(struct.unpack("q", self._content()[-8:])[0])

    def _read(self) -> list[tuple[int, ...]]:
        return list(struct.iter_unpack("qqq", self._content()[:-8]))

    def _content(self) -> bytes:
        return self._path.read_bytes()


@dataclass
class Rounds:
    """What processes spent on a turn, round by round: without clocks, and with them; and Redis in its scripts."""

    plain: list[Spent] = field(default_factory=list)
    clocked: list[Spent] = field(default_factory=list)
    scripts: list[float] = field(default_factory=list)


async def breakdown(bench: Bench) -> None:
    """Where the processor time of a webhook turn goes, with 30 in flight, by part of web, worker and Redis."""
    count, rounds = bench.choose(200, 500), Rounds()
    with TemporaryDirectory(prefix="va-bench-probe-") as directory:
        programs = [ClockedProgram(name, of, directory) for name, of in (("web", parts.WEB), ("worker", parts.WORKER))]
        async with (
            bench.deployment(PRESENT) as deployment,
            _running_with_clocks(deployment, *programs) as clocked,
            running(bench, PRESENT) as plain,
        ):
            for one in (plain, clocked):
                await one.callers.prepared("webhook", count, IN_FLIGHT)
            for _ in range(bench.choose(6, 15)):
                await _plain_round(plain, count, rounds)
                await _clocked_round(deployment, clocked, count, programs, rounds)
        for program in programs:
            if missing := program.missing():
                bench.trouble(f"{missing} functions of {program.name} that benchmarks/parts.py names")
    _note(bench, programs, rounds)


@asynccontextmanager
async def _running_with_clocks(
    deployment: Deployment, web: ClockedProgram, worker: ClockedProgram
) -> AsyncIterator[RunningTree]:
    async with (
        deployment.workers(1, launcher=worker.launcher, **worker.environment) as (worker_process,),
        deployment.web(launcher=web.launcher, **web.environment) as (web_process, url),
        deployment.callers(url) as callers,
    ):
        processes = {"web": web_process, "worker": worker_process, "redis": deployment.server.process}
        yield RunningTree(PRESENT, processes, callers, callers)


async def _plain_round(one: RunningTree, count: int, rounds: Rounds) -> None:
    await one.callers.prepare("webhook", count, IN_FLIGHT)
    _, spent = await one.watched(one.callers, lambda: one.callers.run("webhook", count, IN_FLIGHT))
    rounds.plain.append(spent)


async def _clocked_round(
    deployment: Deployment, one: RunningTree, count: int, programs: Sequence[ClockedProgram], rounds: Rounds
) -> None:
    await one.callers.prepare("webhook", count, IN_FLIGHT)
    scripts = await _script_us(deployment)
    for program in programs:
        program.begin()
    run, spent = await one.watched(one.callers, lambda: one.callers.run("webhook", count, IN_FLIGHT))
    for program in programs:
        program.end(len(run.latencies))
    rounds.clocked.append(spent)
    rounds.scripts.append((await _script_us(deployment) - scripts) / len(run.latencies))


async def _script_us(deployment: Deployment) -> float:
    async with deployment.redis() as redis:
        stats: Mapping[str, Mapping[str, float]] = await redis.info("commandstats")
    return sum(float(stats.get(f"cmdstat_{name}", {}).get("usec", 0)) for name in ("evalsha", "eval"))


def _note(bench: Bench, programs: Sequence[ClockedProgram], rounds: Rounds) -> None:
    """A row for each part, the rest of each process, and its whole: what it spends without clocks."""
    wholes = {name: median(spent[name] for spent in rounds.plain) for name in ("web", "worker", "redis")}
    shares = {program.name: _shares(program, rounds) for program in programs}
    shares["redis"] = {SCRIPTS: median(rounds.scripts)}
    total = sum(wholes.values())
    for name, whole in wholes.items():
        rest = whole - sum(shares[name].values())
        for part, us in (shares[name] | {REST: rest, f"all of {name.replace('redis', 'Redis')}": whole}).items():
            if us >= LEAST_US or part == REST:
                bench.row(TABLE, what=part, process=name.replace("redis", "Redis"), us=us, percent=100 * us / total)


def _shares(program: ClockedProgram, rounds: Rounds) -> dict[str, float]:
    """Return the µs of each part. What the clocks take is the difference to the processes that have none."""
    pairs = zip(rounds.clocked, rounds.plain, strict=True)
    clocks_us = max(0.0, median(clocked[program.name] - plain[program.name] for clocked, plain in pairs))
    entries = median(sum(part.entered for part in one.values()) for one in program.rounds)
    each_us = clocks_us / entries if entries else 0.0
    return {name: median(one[name].without_clocks(each_us) for one in program.rounds) for name in program.parts}
