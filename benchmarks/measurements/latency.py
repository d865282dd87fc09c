"""How long a turn takes whose agent says nothing: from the ingress through Redis and a worker and back; over HTTP, too.

One call at a time, and many; and what other queues take.
"""

from contextlib import AsyncExitStack
from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import difference_ms
from benchmarks.peers import PEERS, Peer, at_work
from benchmarks.processes import BenchmarkFailed, Driver
from benchmarks.samples import Leg, Series, in_turns, middle, ratio
from benchmarks.trees import PRESENT

TABLE = "latency"
AGENTS = {"empty": "agent in the worker's loop", "threaded": "agent in a thread of its own"}
CONCURRENCIES = (1, 10, 100, 1000)
BARE_LINES = {"json": "bare Starlette POST of JSON", "form": "bare Starlette POST of a form"}
WEB_LINES = {
    "api": "POST /calls/{sid}/turns",
    "webhook": "POST /twilio/turn/{n}",
    "voice": "POST /twilio/voice",
}


async def inside(bench: Bench) -> None:
    """Submit → reply in an ingress's own process, next to two bare BLPOP hops."""
    async with bench.product.workers(1), bench.product.turns() as turns, bench.product.floor() as floor:
        await turns.run("turn", 300, 10)
        await floor.run("hops", 300, 10)
        for at_once in CONCURRENCIES[: bench.choose(3, 4)]:
            count = max(bench.choose(60, 100), 2 * at_once)
            series = await in_turns(
                bench.choose(7, 15),
                {
                    "turn": partial(turns.run, "turn", count, at_once),
                    "hops": partial(floor.run, "hops", count, at_once),
                },
            )
            bench.timed_row(TABLE, "two bare BLPOP hops", series["hops"], at_once=at_once)
            bench.timed_row(TABLE, "inner turn", series["turn"], at_once=at_once)


async def http(bench: Bench) -> None:
    """The same through the API and through the provider's webhooks, next to bare Starlette routes."""
    async with (
        bench.product.workers(1),
        bench.product.web() as (_, url),
        bench.product.turns() as turns,
        bench.product.callers(url) as web,
        bench.bare() as bare,
    ):
        for line in WEB_LINES:
            await web.prepared(line, 300, 10)
        await turns.run("turn", 300, 10)
        await bare.run("form", 300, 10)
        for at_once in CONCURRENCIES[: bench.choose(2, 3)]:
            count = max(bench.choose(40, 80), 2 * at_once)
            legs: dict[str, Leg] = {line: partial(web.prepared, line, count, at_once) for line in WEB_LINES}
            legs |= {line: partial(bare.run, line, count, at_once) for line in BARE_LINES}
            legs["turn"] = partial(turns.run, "turn", count, at_once)
            series = await in_turns(bench.choose(8, 15), legs)
            for line, title in (BARE_LINES | WEB_LINES).items():
                bench.timed_row(TABLE, title, series[line], at_once=at_once)
            if at_once == 1:
                bench.figure("http.over_turn", ratio(series["api"], series["turn"]))
                bench.figure("webhook.over_turn", ratio(series["webhook"], series["turn"]))
                bench.figure("webhook.added_bare_posts", _added(series))


def _added(series: dict[str, Series]) -> float:
    """Return what a webhook adds to the turn inside it, in bare POSTs of the same form: the median of the rounds."""
    rounds = zip(series["webhook"].runs, series["turn"].runs, series["form"].runs, strict=True)
    return middle((webhook.p50 - turn.p50) / form.p50 for webhook, turn, form in rounds)


async def isolation(bench: Bench) -> None:
    """What it costs to run the agent in a thread of its own, as a user's agent does by default."""
    async with AsyncExitStack() as stack:
        legs: dict[str, Leg] = {}
        for agent in AGENTS:
            deployment = await stack.enter_async_context(bench.deployment(PRESENT))
            await stack.enter_async_context(deployment.workers(1, AGENT=f"benchmarks.agents:{agent}"))
            turns = await stack.enter_async_context(deployment.turns())
            await turns.run("turn", 200, 10)
            legs[agent] = partial(turns.run, "turn", bench.choose(50, 100))
        series = await in_turns(bench.choose(10, 20), legs)
    for agent, title in AGENTS.items():
        bench.timed_row("isolation", title, series[agent], at_once=1)
    bench.figure("isolation.thread_adds_ms", difference_ms(series["threaded"], series["empty"]))


async def peers(bench: Bench) -> None:
    """Other queues: enqueue → result of an empty function, each in turns with our inner turn."""
    async with bench.product.workers(1), bench.product.turns() as turns:
        await turns.run("turn", 300, 10)
        for peer in PEERS:
            if not peer.is_installed(bench):
                bench.trouble(f"{peer.title}: not installed; `make bench` does that")
                continue
            try:
                async with at_work(bench, peer) as driver:
                    await _beside(bench, turns, peer, driver)
            except BenchmarkFailed as failure:
                bench.trouble(f"{peer.title}: {failure}")


async def _beside(bench: Bench, turns: Driver, peer: Peer, driver: Driver) -> None:
    for at_once in (1, 10, 100) if not bench.quick else (1, 100):
        if at_once > peer.most_at_once:
            continue
        count = max(bench.choose(100, 200), 4 * at_once)
        theirs = at_once * bench.choose(2, 4) if peer.slow else count
        series = await in_turns(
            bench.choose(2, 5),
            {
                "job": partial(driver.run, "job", theirs, at_once),
                "turn": partial(turns.run, "turn", count, at_once),
            },
        )
        bench.timed_row("peers", peer.title, series["job"], at_once=at_once)
        bench.timed_row("peers", "inner turn beside it", series["turn"], at_once=at_once)
        if at_once == 1:
            bench.figure(f"latency.{peer.module}_over_turn", ratio(series["job"], series["turn"]))
        if at_once == 100:
            faster = ratio(series["turn"], series["job"], of=lambda run: run.per_second)
            bench.figure(f"throughput.over_{peer.module}", faster)
