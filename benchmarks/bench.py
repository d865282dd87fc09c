"""What measurements work with: the product, the tree it is compared with, and the place where results are noted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import isnan

from benchmarks.deployment import Deployment
from benchmarks.processes import Driver, Stage, free_port, until_open
from benchmarks.samples import Series
from benchmarks.trees import PRESENT, Tree


@dataclass
class Results:
    """What was measured: rows of tables, and single figures that budgets and pages go by."""

    tables: dict[str, list[dict[str, str | float]]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


class Bench:
    """One run of the benchmarks. `quick` asks for fewer and shorter rounds.

    `product` is the present tree, deployed; `baseline` the tree that it is compared with, if there is one.
    """

    def __init__(
        self, stage: Stage, product: Deployment, baseline: Tree | None, results: Results, *, quick: bool
    ) -> None:
        self.stage = stage
        self.product = product
        self.baseline = baseline
        self.quick = quick
        self.results = results

    @property
    def trees(self) -> list[Tree]:
        """The trees to measure beside each other."""
        return [PRESENT] if self.baseline is None else [PRESENT, self.baseline]

    def choose(self, quick: int, full: int) -> int:
        """How much of something there is to be."""
        return quick if self.quick else full

    def row(self, table: str, **cells: str | float) -> None:
        """Add a row to a table. What could not be measured (NaN) stays empty."""
        told = {name: cell for name, cell in cells.items() if isinstance(cell, str) or not isnan(cell)}
        self.results.tables.setdefault(table, []).append(told)

    def timed_row(self, table: str, what: str, series: Series, **cells: str | float) -> None:
        """Add the percentiles and the pace of a series; if anything failed in it, say what instead."""
        self.row(
            table,
            **{"what": what, **cells},
            p50_ms=series.ms(0.5),
            p95_ms=series.ms(0.95),
            p99_ms=series.ms(0.99),
            per_second=series.per_second,
            errors=series.failures,
        )
        if series.failures:
            self.trouble(f"{table}, {what}: {series.failures}")

    def figure(self, name: str, value: float) -> None:
        """Note a figure; budgets know it by its name."""
        if not isnan(value):
            self.results.figures[name] = value

    def trouble(self, what: object) -> None:
        """Note what could not be measured."""
        self.results.troubles.append(str(what))

    @asynccontextmanager
    async def deployment(self, tree: Tree, **settings: str) -> AsyncIterator[Deployment]:
        """Deploy a tree beside the product, with a Redis server of its own and further `settings`."""
        async with self.stage.redis() as server:
            yield Deployment(self.stage, tree, server, **settings)

    @asynccontextmanager
    async def bare(self) -> AsyncIterator[Driver]:
        """A load generator for a bare Starlette server: `json` and `form`."""
        port = free_port()
        command = [self.stage.python(), "-m", "benchmarks.contenders.bare_post"]
        async with self.stage.process("bare", command, {"PORT": str(port)}) as server:
            await until_open(port, server)
            async with self.stage.driver("bare_turns", {"BARE_URL": f"http://127.0.0.1:{port}"}) as driver:
                yield driver
