"""Two trees under the same load in turns: each with one worker, one web process and a Redis server of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.processes import Driver, Process
from benchmarks.samples import Run, Series, middle
from benchmarks.trees import Tree

Spent = dict[str, float]
"""Processor time by process, in µs."""


@dataclass(frozen=True)
class RunningTree:
    """The processes of one tree by name, and load generators for them: by HTTP, and as an ingress."""

    tree: Tree
    processes: dict[str, Process]
    callers: Driver
    turns: Driver

    async def watched(self, driver: Driver, run: Callable[[], Awaitable[Run]]) -> tuple[Run, Spent]:
        """Return what a run came to, and what each process spent in it on one turn. Raise `BenchmarkFailed`."""
        processes = self.processes | {"load": driver.process}
        before = {name: process.cpu_seconds for name, process in processes.items()}
        done = await run()
        after = {name: process.cpu_seconds for name, process in processes.items()}
        if done.errors or not done.latencies:
            raise driver.process.failed(f"got no answer to {len(done.errors)} turns ({done.errors[:1]})")
        return done, {name: 1e6 * (after[name] - before[name]) / len(done.latencies) for name in processes}


@asynccontextmanager
async def running(bench: Bench, tree: Tree, **settings: str) -> AsyncIterator[RunningTree]:
    """Deploy a tree, with further `settings`."""
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(bench.deployment(tree, **settings))
        (worker,) = await stack.enter_async_context(deployment.workers(1))
        web, url = await stack.enter_async_context(deployment.web())
        callers = await stack.enter_async_context(deployment.callers(url))
        turns = await stack.enter_async_context(deployment.turns())
        processes = {"web": web, "worker": worker, "redis": deployment.server.process}
        yield RunningTree(tree, processes, callers, turns)


@asynccontextmanager
async def all_running(bench: Bench) -> AsyncIterator[dict[str, RunningTree]]:
    """Deploy the present tree and, if there is one, the tree before it; by label."""
    async with AsyncExitStack() as stack:
        yield {tree.label: await stack.enter_async_context(running(bench, tree)) for tree in bench.trees}


def over_before(now: list[float], before: list[float]) -> list[float]:
    """Return the ratio of each round."""
    return [one / other for one, other in zip(now, before, strict=True)]


def difference_ms(one: Series, other: Series) -> float:
    """Return by how much the median of one is above the other's, in ms: the median over the rounds."""
    return 1000 * middle(a.p50 - b.p50 for a, b in zip(one.runs, other.runs, strict=True))
