"""A deadline ends its block as `asyncio.timeout` does, which is the judge here."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from orchestrator.deadline import deadline

Block = Callable[[], Awaitable[object]]


@asynccontextmanager
async def ours(seconds: float):
    with deadline(seconds):
        yield


async def outcome(within, seconds: float, block: Block, *, cancelled: bool = False) -> str:
    """Return how a task ends that runs the block, and how often it is still asked to end."""

    async def run() -> str:
        try:
            async with within(seconds):
                await block()
        except BaseException as error:
            task = asyncio.current_task()
            assert task is not None
            return f"{type(error).__name__} of {type(error.__cause__).__name__}, {task.cancelling()}"
        return "done"

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    if cancelled:
        task.cancel()
    return await task


async def failing() -> None:
    raise OSError


async def late_and_failing() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise OSError


@pytest.mark.parametrize(
    ("seconds", "block", "cancelled", "expected"),
    [
        (60, lambda: asyncio.sleep(0), False, "done"),
        (0.01, asyncio.Event().wait, False, "TimeoutError of CancelledError, 0"),
        (0.01, late_and_failing, False, "OSError of NoneType, 0"),
        (60, failing, False, "OSError of NoneType, 0"),
        (60, asyncio.Event().wait, True, "CancelledError of NoneType, 1"),
        (0, asyncio.Event().wait, True, "CancelledError of NoneType, 1"),
    ],
)
async def test_a_block_ends_as_under_asyncios_own_timeout(seconds, block, cancelled, expected):
    found = [await outcome(within, seconds, block, cancelled=cancelled) for within in (asyncio.timeout, ours)]
    assert found == [found[0]] * 2
    assert found[0] == expected


async def test_the_inner_of_two_deadlines_ends_its_own_block_alone():
    with deadline(60):
        with pytest.raises(TimeoutError), deadline(0.01):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
