"""The load generator: a process that loads one contender, as often and as fast as it is asked to.

It runs in the contender's own environment, and so imports nothing but the standard library, uvloop and the contender:
a module with an async context manager `lines()`, which gives names and what to call. A line is called with the number
of the slot it runs in, and returns how long it took where that is not all of the time it was busy (seconds).

Each line of standard input is an order, each line of output its result:

    {"line": "turn", "count": 100, "concurrency": 10, "rate": null}
    {"seconds": 0.31, "latencies": [0.0021, …], "errors": ["TimeoutError", …]}

With a `rate` (a second) calls begin at random times, whether or not the earlier ones have ended; `concurrency` is then
the number of callers, who take their turns one after the other.

An order with `"prepare": true` comes before such an order, if the line has a method `prepare`: what can be made ahead,
such as signed forms, is made outside of the time that is measured.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any, Protocol, cast

import uvloop

Line = Callable[[int], Awaitable[float | None]]
Lines = Callable[[], AbstractAsyncContextManager[Mapping[str, Line]]]

ONE_SECONDS = 30.0
"""What takes longer has failed."""
TIMER_SECONDS = 0.001
"""How exact a timer of the event loop is."""


class Prepared(Protocol):
    """A line that makes ahead what it will send."""

    async def __call__(self, slot: int) -> float | None:
        """Do it once, with what was made ahead."""

    async def prepare(self, count: int, callers: int, *, in_order: bool) -> None:
        """Be ready to be called `count` times by `callers`; `in_order`: they take their turns evenly."""


class Tally:
    """What came of the calls of one order."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.errors: list[str] = []

    async def take(self, line: Line, slot: int, due: float | None = None) -> None:
        """Call the line once. What it had to wait for this process after it was `due` counts as its own time."""
        try:
            async with asyncio.timeout(ONE_SECONDS):
                began = time.perf_counter()
                late = 0.0 if due is None else max(0.0, began - due - TIMER_SECONDS)
                took = await line(slot)
                ended = time.perf_counter() + late
        except Exception as error:  # a contender may raise anything; the table says so
            self.errors.append(type(error).__name__)
        else:
            self.latencies.append(ended - began if took is None else took)


async def carry_out(line: Line, order: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the order says; the result as it is written."""
    tally = Tally()
    began = time.perf_counter()
    if order.get("prepare"):
        prepare = cast(Prepared, line).prepare
        await prepare(order["count"], order["concurrency"], in_order=bool(order.get("rate")))
    elif order.get("rate"):
        await _open_loop(line, order["count"], order["concurrency"], order["rate"], tally)
    else:
        await _closed_loop(line, order["count"], order["concurrency"], tally)
    return {"seconds": time.perf_counter() - began, "latencies": tally.latencies, "errors": tally.errors}


async def _closed_loop(line: Line, count: int, concurrency: int, tally: Tally) -> None:
    """`concurrency` callers, each of which waits for its answer before it calls again."""
    numbers = iter(range(count))

    async def caller(slot: int) -> None:
        for _ in numbers:
            await tally.take(line, slot)

    await asyncio.gather(*(caller(slot) for slot in range(concurrency)))


async def _open_loop(line: Line, count: int, callers: int, rate: float, tally: Tally) -> None:
    """Arrivals at random times, of one caller after the other."""
    chance = random.Random(1)
    due = time.perf_counter()
    async with asyncio.TaskGroup() as calls:
        for number in range(count):
            calls.create_task(tally.take(line, number % callers, due))
            due += chance.expovariate(rate)
            await asyncio.sleep(max(0, due - time.perf_counter()))


async def _orders() -> AsyncIterator[dict[str, Any]]:
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while text := await reader.readline():
        yield json.loads(text)


async def work(module: str, answers: int) -> None:
    """Take orders until standard input ends."""
    lines: Lines = import_module(module).lines
    async with lines() as named:
        os.write(answers, b'"ready"\n')
        async for order in _orders():
            result = await carry_out(named[order["line"]], order)
            text = json.dumps(result).encode() + b"\n"
            while text:
                text = text[os.write(answers, text) :]


def main() -> None:
    """Work the contender that the command line names."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    uvloop.run(work(sys.argv[1], answers))


if __name__ == "__main__":
    main()
