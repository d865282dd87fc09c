"""Relay sockets: what an idle one takes, and how long words and interruptions are on their way."""

import resource

from benchmarks.bench import Bench
from benchmarks.samples import in_turns

TABLE = "relay"
SPARE_FILES = 500
"""What a process opens in addition to its sockets, generously."""


async def relay(bench: Bench) -> None:
    """Idle sockets at one ingress; a word's way out of the socket, and an interruption's way to the agent."""
    async with (
        bench.product.workers(1), bench.product.web() as (web, url),
        bench.stage.driver("relay_sockets", bench.product.environment | {"WEB_URL": url}) as sockets,
    ):  # fmt: skip
        count = bench.choose(30, 100)
        await sockets.run("first-token", count)
        await sockets.run("interrupt", count)
        series = await in_turns(
            bench.choose(2, 5),
            {
                "token": lambda: sockets.run("first-token", count),
                "interrupt": lambda: sockets.run("interrupt", count),
            },
        )
        bench.timed_row(TABLE, "first token, agent → out of the socket", series["token"])
        bench.timed_row(TABLE, "interrupt frame → agent cancelled", series["interrupt"])
        bench.figure("relay.token_ms", series["token"].ms(0.5))
        bench.figure("relay.interrupt_p95_ms", series["interrupt"].ms(0.95))
        number = min(bench.choose(500, 5_000), resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES)
        await sockets.answered("idle", number // 10, 20)
        before = web.resident_kb
        await sockets.answered("idle", number, 20)
        each = (web.resident_kb - before) / number
        bench.row(TABLE, what=f"{number:,} idle relay calls", kb=each)
        bench.figure("relay.kb_each", each)
