"""The processor time of a turn by process, of the present tree and of the one before it, in turns."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

from benchmarks.bench import Bench
from benchmarks.processes import Driver, Process
from benchmarks.samples import Series, percentile, ratio
from benchmarks.trees import Tree

IN_FLIGHT = 30
KINDS = {
    "webhook": "webhook turn, POST /twilio/turn/{n}",
    "voice": "call that comes in, POST /twilio/voice",
    "api": "API turn, POST /calls/{sid}/turns",
    "inner": "inner turn (the load generator is the ingress)",
}
TABLE = "processor time of a turn"
Spent = dict[str, float]


@dataclass
class RunningTree:
    """One worker, one web process and their Redis server, of one tree, with load generators for them."""

    tree: Tree
    processes: dict[str, Process]
    callers: Driver
    turns: Driver
    spent: dict[str, list[Spent]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    async def measure(self, kind: str, count: int) -> Spent:
        """Return what each process spends on one turn, in µs."""
        driver = self.turns if kind == "inner" else self.callers
        if kind != "inner":
            await driver.prepare(kind, count, IN_FLIGHT)
        processes = self.processes | {"load": driver.process}
        before = {name: process.cpu_seconds for name, process in processes.items()}
        run = await driver.run("turn" if kind == "inner" else kind, count, IN_FLIGHT)
        if run.errors or not run.latencies:
            raise driver.process.failed(f"got no answer to {len(run.errors)} turns ({run.errors[:1]})")
        after = {name: process.cpu_seconds for name, process in processes.items()}
        return {name: 1e6 * (after[name] - before[name]) / len(run.latencies) for name in processes}


@asynccontextmanager
async def running(bench: Bench, tree: Tree) -> AsyncIterator[RunningTree]:
    """Deploy a tree with one worker and one web process."""
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(bench.deployment(tree))
        (worker,) = await stack.enter_async_context(deployment.workers(1))
        web, url = await stack.enter_async_context(deployment.web())
        callers = await stack.enter_async_context(deployment.callers(url))
        turns = await stack.enter_async_context(deployment.turns())
        processes = {"web": web, "worker": worker, "redis": deployment.server.process}
        yield RunningTree(tree, processes, callers, turns)


async def cpu(bench: Bench) -> None:
    """What web, worker and Redis spend on a turn with 30 in flight, now and before; the inner turn over BLPOP hops."""
    async with AsyncExitStack() as stack:
        trees = [await stack.enter_async_context(running(bench, tree)) for tree in bench.trees]
        count = bench.choose(150, 500)
        for kind in KINDS:
            for one in trees:
                await one.measure(kind, count)
            for number in range(bench.choose(11, 15)):
                for one in trees if number % 2 == 0 else reversed(trees):
                    one.spent[kind].append(await one.measure(kind, count))
            _note(bench, kind, trees)
        await _inner_over_hops(bench, trees)


def _note(bench: Bench, kind: str, trees: list[RunningTree]) -> None:
    sums = {one.tree.label: [_sum(kind, spent) for spent in one.spent[kind]] for one in trees}
    pairs = zip(sums["now"], sums.get("before", []), strict=False)
    ratios = [now / before for now, before in pairs]
    for one in trees:
        rounds = one.spent[kind]
        medians = {f"{name}_us": median(spent[name] for spent in rounds) for name in rounds[0]}
        total = median(sums[one.tree.label])
        row: dict[str, str | float] = {"what": KINDS[kind], "tree": one.tree.label, **medians, "sum_us": total}
        if ratios and one.tree.label == "now":
            row["over_before"] = median(ratios)
            row["half_between"] = f"{percentile(ratios, 0.25):.2f}–{percentile(ratios, 0.75):.2f}"
        bench.row(TABLE, **row)
        bench.figure(f"cpu.{kind}_{one.tree.label}_us", total)
    if ratios:
        bench.figure(f"cpu.{kind}_over_before", median(ratios))


def _sum(kind: str, spent: Spent) -> float:
    """Return the share of the product: of an inner turn the load generator is a part, being the ingress."""
    names = ("worker", "redis", "load") if kind == "inner" else ("web", "worker", "redis")
    return sum(spent[name] for name in names)


async def _inner_over_hops(bench: Bench, trees: list[RunningTree]) -> None:
    """One at a time, in short rounds: what disturbs one disturbs its neighbours. p10 is disturbed least."""
    count = bench.choose(40, 100)
    async with bench.product.floor() as floor:
        await floor.run("hops", count)
        hops, turns = Series(), {one.tree.label: Series() for one in trees}
        for number in range(bench.choose(20, 30)):
            hops.runs.append(await floor.run("hops", count))
            for one in trees if number % 2 == 0 else reversed(trees):
                turns[one.tree.label].runs.append(await one.turns.run("turn", count))
        bench.timed_row("inner turn", "two bare BLPOP hops", hops)
        for label, series in turns.items():
            over, least = ratio(series, hops), ratio(series, hops, of=lambda run: run.p10)
            bench.timed_row("inner turn", f"inner turn, {label}", series, over_hops=over, p10_over_hops=least)
            bench.figure("turn.over_hops" if label == "now" else "turn.over_hops_before", over)
