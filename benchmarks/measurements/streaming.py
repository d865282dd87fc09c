"""Tokens on their way from the worker to the ingress, and interruptions on the way back."""

from functools import partial

from benchmarks.bench import Bench
from benchmarks.samples import in_turns

TABLE = "streaming"


async def streaming(bench: Bench) -> None:
    """The first token's hop next to a bare published message's; an interruption until its turn is over."""
    async with bench.product.workers(1), bench.product.turns() as turns, bench.product.floor() as floor:
        count = bench.choose(50, 100)
        await turns.run("first-token", count)
        await floor.run("pubsub", count)
        series = await in_turns(
            bench.choose(3, 5),
            {
                "token": partial(turns.run, "first-token", count),
                "pubsub": partial(floor.run, "pubsub", count),
                "interrupt": partial(turns.run, "interrupt", count),
            },
        )
        bench.timed_row(TABLE, "bare pub/sub, one hop", series["pubsub"])
        bench.timed_row(TABLE, "first token, agent → ingress", series["token"])
        bench.timed_row(TABLE, "interruption → turn ended and committed", series["interrupt"])
        bench.figure("token.added_ms", series["token"].ms(0.5) - series["pubsub"].ms(0.5))
        bench.figure("interrupt.p95_ms", series["interrupt"].ms(0.95))
