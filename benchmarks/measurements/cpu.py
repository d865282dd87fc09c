"""The processor time of a turn by process, of the present tree and of the one before it, in turns."""

from functools import partial
from statistics import median

from benchmarks.bench import Bench
from benchmarks.comparison import RunningTree, Spent, all_running, over_before
from benchmarks.samples import in_turns, percentile, ratio

IN_FLIGHT = 30
KINDS = {
    "webhook": "webhook turn, POST /twilio/turn/{n}",
    "voice": "call that comes in, POST /twilio/voice",
    "api": "API turn, POST /calls/{sid}/turns",
    "inner": "inner turn (the load generator is the ingress)",
}
TABLE = "processor time of a turn"
PRODUCT = ("web", "worker", "redis")


async def cpu(bench: Bench) -> None:
    """What web, worker and Redis spend on a turn with 30 in flight, now and before; the inner turn over BLPOP hops."""
    async with all_running(bench) as trees:
        count = bench.choose(150, 500)
        for kind in KINDS:
            spent: dict[str, list[Spent]] = {label: [] for label in trees}
            for one in trees.values():
                await _spent_on(kind, one, count)
            for number in range(bench.choose(11, 15)):
                for label in list(trees) if number % 2 == 0 else reversed(list(trees)):
                    spent[label].append(await _spent_on(kind, trees[label], count))
            _note(bench, kind, spent)
        await _inner_over_hops(bench, trees)


async def _spent_on(kind: str, one: RunningTree, count: int) -> Spent:
    if kind == "inner":
        return (await one.watched(one.turns, partial(one.turns.run, "turn", count, IN_FLIGHT)))[1]
    await one.callers.prepare(kind, count, IN_FLIGHT)
    return (await one.watched(one.callers, partial(one.callers.run, kind, count, IN_FLIGHT)))[1]


def _note(bench: Bench, kind: str, spent: dict[str, list[Spent]]) -> None:
    sums = {label: [_sum(kind, one) for one in rounds] for label, rounds in spent.items()}
    ratios = over_before(sums["now"], sums["before"]) if "before" in sums else []
    for label, rounds in spent.items():
        cells: dict[str, float] = {f"{name}_us": median(one[name] for one in rounds) for name in rounds[0]}
        if kind == "inner":
            del cells["web_us"]
        bench.figure(f"cpu.{kind}_{label}_us", median(sums[label]))
        bench.row(TABLE, what=KINDS[kind], tree=label, **cells, sum_us=median(sums[label]))
        if ratios and label == "now":
            bench.results.tables[TABLE][-1] |= {
                "over_before": median(ratios),
                "half_between": f"{percentile(ratios, 0.25):.2f}–{percentile(ratios, 0.75):.2f}",
            }
            bench.figure(f"cpu.{kind}_over_before", median(ratios))


def _sum(kind: str, spent: Spent) -> float:
    """Return the share of the product: of an inner turn the load generator is a part, being the ingress."""
    return sum(spent[name] for name in (*PRODUCT, *(["load"] if kind == "inner" else [])))


async def _inner_over_hops(bench: Bench, trees: dict[str, RunningTree]) -> None:
    """One at a time, in short rounds: what disturbs one disturbs its neighbours. p10 is disturbed least."""
    count = bench.choose(40, 100)
    async with bench.product.floor() as floor:
        await floor.run("hops", count)
        legs = {label: partial(one.turns.run, "turn", count) for label, one in trees.items()}
        series = await in_turns(bench.choose(20, 30), legs | {"hops": partial(floor.run, "hops", count)})
    bench.timed_row("inner turn", "two bare BLPOP hops", series["hops"], at_once=1)
    for label in trees:
        over = ratio(series[label], series["hops"])
        least = ratio(series[label], series["hops"], of=lambda run: run.p10)
        cells = {"tree": label, "at_once": 1, "over_hops": over, "p10_over_hops": least}
        bench.timed_row("inner turn", "inner turn", series[label], **cells)
        bench.figure("turn.over_hops" if label == "now" else "turn.over_hops_before", over)
    bench.figure("turn.p95_ms", series["now"].ms(0.95))
