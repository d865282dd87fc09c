"""Calls into an event loop from other threads."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop
from support.waiting import wait_until

from orchestrator.agents.loop_calls import LoopCalls


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Run a coroutine in a loop of either kind."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


def in_a_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_calls_are_made_in_order_in_the_thread_of_the_loop(run: Callable[..., Any]) -> None:
    made: list[tuple[int, int]] = []

    async def main() -> None:
        calls = LoopCalls(asyncio.get_running_loop())

        def call() -> None:
            for number in range(10_000):
                calls.call(lambda number: made.append((number, threading.get_ident())), number)

        calls.call(made.append, (-1, threading.get_ident()))
        await wait_until(lambda: made, "a call from the loop's own thread is made")
        thread = in_a_thread(call)
        await wait_until(lambda: len(made) == 10_001, "all calls are made")
        thread.join()
        calls.close()

    run(main())
    assert made == [(number, threading.get_ident()) for number in range(-1, 10_000)]


def test_a_call_that_fails_is_told_and_the_next_one_is_made(run: Callable[..., Any]) -> None:
    told: list[dict[str, Any]] = []
    made: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        calls = LoopCalls(loop)
        calls.call(int, "no number")
        calls.call(made.append, "next")
        await wait_until(lambda: made, "the next call is made")
        calls.close()

    run(main())
    assert [type(context["exception"]) for context in told] == [ValueError]


def test_a_call_that_makes_another_has_it_made(run: Callable[..., Any]) -> None:
    made: list[str] = []

    async def main() -> None:
        calls = LoopCalls(asyncio.get_running_loop())
        calls.call(lambda: calls.call(made.append, "inner"))
        await wait_until(lambda: made, "the inner call is made")
        calls.close()

    run(main())


def test_whoever_calls_after_the_end_writes_into_nobody_elses_file(run: Callable[..., Any]) -> None:
    made: list[str] = []

    async def main() -> None:
        calls = LoopCalls(asyncio.get_running_loop())
        calls.close()
        calls.close()
        mine = [os.pipe() for _ in range(3)]  # they get the numbers that are free again
        calls.call(made.append, "too late")
        for read, write in mine:
            os.set_blocking(read, False)
            with pytest.raises(BlockingIOError):
                os.read(read, 1)
            os.close(read)
            os.close(write)
        await asyncio.sleep(0)

    run(main())
    assert not made
