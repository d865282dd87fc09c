"""What the product promises to cost. Ratios are of things measured in one run, in turns."""

from dataclasses import dataclass

from benchmarks.bench import Results


@dataclass(frozen=True)
class Budget:
    """`figure` must be at most (or, with `at_least`, at least) the limit. No figure: not built yet."""

    what: str
    figure: str
    limit: float
    unit: str = "×"
    at_least: bool = False
    pending: str = ""

    def judge(self, results: Results) -> "Verdict":
        """How it came out."""
        value = results.figures.get(self.figure)
        if value is None:
            return Verdict(self, None, None)
        return Verdict(self, value, value >= self.limit if self.at_least else value <= self.limit)


@dataclass(frozen=True)
class Verdict:
    """`met` is None when nothing was measured."""

    budget: Budget
    value: float | None
    met: bool | None

    @property
    def words(self) -> str:
        """`met`, by how much it misses, or why nothing is known."""
        if self.met is None or self.value is None:
            return self.budget.pending or "not measured"
        if self.met:
            return "met"
        wanted = self.budget.limit / self.value if self.budget.at_least else self.value / self.budget.limit
        return f"MISSES by {100 * (wanted - 1):.0f} %"


BUDGETS = (
    Budget("empty turn through Redis, one call at a time, p50 over two bare BLPOP hops", "turn.over_hops", 3),
    Budget("the same, p95", "turn.p95_ms", 5, "ms"),
    Budget("the same through POST /calls/{sid}/turns, over the turn itself", "http.over_turn", 2),
    Budget("throughput over SAQ's empty jobs", "throughput.over_saq_jobs", 2, at_least=True),
    Budget("throughput over stock arq's", "throughput.over_stock_arq", 5, at_least=True),
    Budget("first token: added to one hop of bare pub/sub, p50", "token.added_ms", 1, "ms"),
    Budget("interruption → turn ended, its record committed, p95", "interrupt.p95_ms", 20, "ms"),
    Budget("interrupt frame of a relay → agent cancelled, p95", "relay.interrupt_p95_ms", 20, "ms"),
    Budget("state in memory: create", "memory.create_ms", 0.02, "ms"),
    Budget("state in memory: get", "memory.get_ms", 0.01, "ms"),
    Budget("state in memory: update", "memory.update_ms", 0.02, "ms"),
    Budget("state in Redis: create, over a bare SET", "redis.create_over_bare", 1.5),
    Budget("state in Redis: get, over a bare GET", "redis.get_over_bare", 1.5),
    Budget("state in Redis: update, over a bare SET", "redis.update_over_bare", 1.5),
    Budget("a turn after 200 turns, over one after 10", "history.200_over_10", 2),
    Budget("counting 100,000 calls", "count.100000_ms", 2, "ms"),
    Budget("import of web", "import.web_s", 0.6, "s"),
    Budget("import of workers", "import.workers_s", 0.6, "s"),
    Budget("5,000 idle relay calls on one ingress, memory each", "relay.kb_each", 60, "kB"),
)
