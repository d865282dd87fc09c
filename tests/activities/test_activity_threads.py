"""Activities run apart from the process's event loop, and what they raise ends nothing else."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.activities.activity_threads import ActivityThreads, Ended
from orchestrator.errors import BadActivity
from orchestrator.schedule.item import ActivityItem

sys.path.insert(0, str(Path(__file__).parent))
import activity_functions as functions


def item(function: str, **args: object) -> ActivityItem:
    return ActivityItem(
        item_id="activity-1", call_sid="CA1", life="now", asked_by="turn-1", due_at=clock.utc_now(), name="tested",
        function=f"activity_functions:{function}", args=args, timeout_seconds=60, retries=0,
    )  # fmt: skip


@pytest.fixture
async def threads() -> AsyncIterator[ActivityThreads]:
    functions.BLOCKED.clear()
    functions.SEEN.clear()
    threads = ActivityThreads(end_seconds=0.05)
    yield threads
    functions.BLOCKED.set()
    await wait_until(lambda: not threads.stuck, "what was stuck has ended")
    threads.close()
    ours = ("run activity", "load activity", "activities-")
    await wait_until(
        lambda: not any(thread.name.startswith(ours) for thread in threading.enumerate()), "the threads have ended"
    )


@pytest.mark.parametrize("function", ["add", "add_later"])
async def test_a_function_gets_its_arguments_and_returns_its_value(threads: ActivityThreads, function: str) -> None:
    assert await threads.run(item(function, a=1, b=2)) == Ended(3)


async def test_a_function_that_returns_a_coroutine_is_awaited(threads: ActivityThreads) -> None:
    assert await threads.run(item("coroutine_of")) == Ended(3)


async def test_a_function_that_asks_for_the_key_gets_it(threads: ActivityThreads) -> None:
    assert (await threads.run(item("keyed"))).value == "CA1/activity-1"


async def test_nothing_runs_in_the_processs_own_thread(threads: ActivityThreads) -> None:
    here = threading.current_thread().name
    apart = [(await threads.run(item(name))).value for name in ("thread", "loop_thread", "loop_thread")]
    assert here not in apart
    assert apart[1] == apart[2], "async functions share a loop"


@pytest.mark.parametrize(
    ("function", "kind"),
    [("raising_later", ZeroDivisionError), ("leaving", SystemExit), ("leaving_later", SystemExit)],
)
async def test_what_it_raises_is_its_own_affair(threads: ActivityThreads, function: str, kind: type) -> None:
    assert isinstance((await threads.run(item(function))).error, kind)
    assert await threads.run(item("add_later", a=1, b=1)) == Ended(2)


@pytest.mark.parametrize("function", ["nothing_there", "SEEN"])
async def test_what_is_no_function_is_said_in_one_sentence(threads: ActivityThreads, function: str) -> None:
    error = (await threads.run(item(function))).error
    assert f"activity_functions:{function}" in str(error)


async def test_wrong_arguments_are_an_error_of_the_run(threads: ActivityThreads) -> None:
    assert isinstance((await threads.run(item("add", a=1))).error, TypeError)


async def test_an_async_function_is_cancelled(threads: ActivityThreads) -> None:
    running = asyncio.create_task(threads.run(item("waiting")))
    await wait_until(lambda: functions.SEEN == ["began"], "it runs")
    running.cancel()
    await asyncio.wait({running})
    assert functions.SEEN == ["began", "cancelled"]
    assert threads.stuck == 0


async def test_a_function_that_blocks_counts_as_stuck_until_it_returns(threads: ActivityThreads) -> None:
    running = asyncio.create_task(threads.run(item("blocking")))
    await wait_until(lambda: any(t.name == "run activity-1" for t in threading.enumerate()), "it runs")
    running.cancel()
    await asyncio.wait({running})
    assert threads.stuck == 1
    assert await threads.run(item("add", a=1, b=1)) == Ended(2)


async def test_a_blocked_loop_is_left_and_the_next_ones_get_a_fresh_one(threads: ActivityThreads) -> None:
    running = asyncio.create_task(threads.run(item("blocking_loop")))
    await wait_until(lambda: "blocks" in functions.SEEN, "the loop is blocked")
    running.cancel()
    await asyncio.wait({running})
    assert await asyncio.wait_for(threads.run(item("add_later", a=1, b=1)), 30) == Ended(2)
    assert threads.stuck == 1


@pytest.mark.parametrize("function", ["object_", "object_later"])
async def test_what_is_no_json_is_refused_where_it_was_made(threads: ActivityThreads, function: str) -> None:
    assert isinstance((await threads.run(item(function))).error, BadActivity)


async def test_those_beside_one_that_blocks_their_loop_go_on(threads: ActivityThreads) -> None:
    beside = asyncio.create_task(threads.run(item("released")))
    await wait_until(lambda: "began" in functions.SEEN, "it runs")
    running = asyncio.create_task(threads.run(item("blocking_loop")))
    await wait_until(lambda: "blocks" in functions.SEEN, "the loop is blocked")
    running.cancel()
    await asyncio.wait({running})
    functions.BLOCKED.set()
    assert await asyncio.wait_for(beside, 30) == Ended("released")
