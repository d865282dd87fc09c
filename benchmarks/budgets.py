"""What the product promises to cost. Ratios are of things measured in one run, in turns."""

from dataclasses import dataclass

from benchmarks import tried
from benchmarks.bench import Results
from benchmarks.tables import shown

NOTHING = "Nothing yet."


@dataclass(frozen=True)
class Budget:
    """`figure` must be at most (or, with `at_least`, at least) the limit; `stretch` is what would be better still.

    `detail` names a figure that is told beside it, in the words of `detail_words`. `tried` says what was done to keep
    to it, and is told when it is missed.
    """

    what: str
    figure: str
    limit: float
    unit: str = "×"
    at_least: bool = False
    stretch: float | None = None
    detail: str = ""
    detail_words: str = ""
    tried: str = NOTHING

    def judge(self, results: Results) -> "Verdict":
        """How it came out."""
        value = results.figures.get(self.figure)
        detail = results.figures.get(self.detail)
        return Verdict(self, value, "" if detail is None else self.detail_words.format(detail))

    def is_met_by(self, value: float, limit: float) -> bool:
        """Whether the value keeps to the limit."""
        return value >= limit if self.at_least else value <= limit

    @property
    def limit_words(self) -> str:
        """The limit, and the better one if there is one."""
        words = f"{'≥' if self.at_least else '≤'} {self.limit:g} {self.unit}"
        return words if self.stretch is None else f"{words} (stretch {self.stretch:g})"


@dataclass(frozen=True)
class Verdict:
    """`value` is None when nothing was measured."""

    budget: Budget
    value: float | None
    detail: str = ""

    @property
    def met(self) -> bool | None:
        """None when nothing was measured."""
        return None if self.value is None else self.budget.is_met_by(self.value, self.budget.limit)

    @property
    def measured(self) -> str:
        """The value with its unit and what is told beside it."""
        if self.value is None:
            return ""
        words = f"{shown(self.value)} {self.budget.unit}"
        return f"{words} ({self.detail})" if self.detail else words

    @property
    def words(self) -> str:
        """`met`, by how much it misses, or that nothing is known."""
        budget = self.budget
        if self.value is None:
            return "not measured"
        if not self.met:
            wanted = budget.limit / self.value if budget.at_least else self.value / budget.limit
            return f"MISSES by {shown(100 * (wanted - 1))} %"
        if budget.stretch is None or not budget.is_met_by(self.value, budget.stretch):
            return "met"
        return "met, stretch too"

    @property
    def told(self) -> dict[str, str]:
        """It as JSON has it."""
        told = {"what": self.budget.what, "measured": self.measured, "limit": self.budget.limit_words}
        return told | {"verdict": self.words, "tried": self.tried}

    @property
    def tried(self) -> str:
        """What was tried, if it is missed; else \"\"."""
        return self.budget.tried if self.met is False else ""


# fmt: off
BUDGETS = (
    Budget(
        "processor time of a webhook turn, web + worker + Redis, 30 in flight, over the tree before",
        "cpu.webhook_over_before", 0.36, stretch=0.30, detail="cpu.webhook_now_us", detail_words="{:,.0f} µs",
        tried=tried.WEBHOOK,
    ),
    Budget(
        "processor time of an API turn, likewise",
        "cpu.api_over_before", 0.5, detail="cpu.api_now_us", detail_words="{:,.0f} µs", tried=tried.API,
    ),
    Budget(
        "inner turn through Redis, one call at a time, p50 over two bare BLPOP hops",
        "turn.over_hops", 2.1, stretch=1.8, tried=tried.HOPS,
    ),
    Budget("the same, p95", "turn.p95_ms", 5, "ms", tried=tried.HOPS),
    Budget(
        "what a webhook adds to the inner turn, in bare Starlette POSTs of the same form",
        "webhook.added_bare_posts", 3.5, tried=tried.POSTS,
    ),
    Budget("the turn through POST /calls/{sid}/turns, over the inner turn", "http.over_turn", 2),
    Budget(
        "processor time of a webhook turn with keys, over one without", "encryption.webhook_over_plain", 1.15,
        tried=tried.ENCRYPTION,
    ),
    Budget(
        "an inner turn with encryption keys over one without: p50", "encryption.turn_over_plain", 1.15,
        tried=tried.ENCRYPTION,
    ),
    Budget("throughput over SAQ's empty jobs", "throughput.over_saq_jobs", 3, at_least=True, tried=tried.SAQ),
    Budget("throughput over stock arq's", "throughput.over_stock_arq", 5, at_least=True),
    Budget(
        "webhooks a second, 1 web, 1 worker and the load generator on these processors, over the tree before",
        "throughput.webhook_over_before", 2.2, at_least=True, tried=tried.PACE,
    ),
    Budget(
        "calls at once, a webhook turn every 8 s each, as many as take 70 % of the processors: p99",
        "steady.p99_ms_now", 50, "ms", detail="steady.calls_now", detail_words="{:,.0f} calls",
        tried=tried.STEADY,
    ),
    Budget(
        "tenants beside one with 100 × its load and agents that take 5 s: p99 over what is allowed, 1.5 × alone + 5 ms",
        "tenants.over_allowed", 1, detail="tenants.beside_p99_ms", detail_words="{:.1f} ms",
    ),
    Budget(
        "turns of running calls at twice the calls that the workers carry: p99 over that at what they carry",
        "overload.p99_times", 2, detail="overload.unshed_times", detail_words="without shedding {:.1f}",
        tried=tried.OVERLOAD,
    ),
    Budget("the refusal of a new call meanwhile: p99", "overload.refusal_p99_ms", 50, "ms", tried=tried.OVERLOAD),
    Budget("commands a second of an idle worker", "idle.commands_per_second_now", 6, "/s", tried=tried.IDLE),
    Budget(
        "what an agent in a thread of its own adds to an inline one, p50", "isolation.thread_adds_ms", 0.1, "ms",
        tried=tried.THREAD,
    ),
    Budget("first token: added to one hop of bare pub/sub, p50", "token.added_ms", 1, "ms"),
    Budget("interruption → turn ended, its record committed, p95", "interrupt.p95_ms", 20, "ms"),
    Budget("interrupt frame of a relay → agent cancelled, p95", "relay.interrupt_p95_ms", 20, "ms"),
    Budget("state in memory: create", "memory.create_ms", 0.02, "ms", tried=tried.MEMORY),
    Budget("state in memory: get", "memory.get_ms", 0.01, "ms", tried=tried.MEMORY),
    Budget("state in memory: update", "memory.update_ms", 0.02, "ms", tried=tried.MEMORY),
    Budget("state in Redis: create, over a bare SET", "redis.create_over_bare", 1.5, tried=tried.STATES),
    Budget("state in Redis: get, over a bare GET", "redis.get_over_bare", 1.5, tried=tried.STATES),
    Budget("state in Redis: update, over a bare SET", "redis.update_over_bare", 1.5, tried=tried.STATES),
    Budget("a turn after 200 turns, over one after 10", "history.200_over_10", 2, tried=tried.HISTORY),
    Budget("counting 100,000 calls", "count.100000_ms", 2, "ms"),
    Budget("import of web", "import.web_s", 0.6, "s", tried=tried.IMPORTS),
    Budget("import of workers", "import.workers_s", 0.6, "s", tried=tried.IMPORTS),
    Budget(
        "import of workers over the tree before (2 % is noise)", "import.workers_over_before", 1.02,
        tried=tried.IMPORTS,
    ),
    Budget(
        "an update of the dashboard with 2,000 live calls, in Chromium: p95", "dashboard.update_p95_ms", 100, "ms",
        detail="dashboard.many_over_few", detail_words="median {:.1f} × that with 20",
    ),
    Budget("5,000 idle relay calls on one ingress, memory each", "relay.kb_each", 60, "kB"),
)
# fmt: on


def verdicts(results: Results) -> list[Verdict]:
    """How every budget came out."""
    return [budget.judge(results) for budget in BUDGETS]
