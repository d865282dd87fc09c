"""The queue that carries an agent's parts between two event loops."""

import asyncio
import threading

import pytest

from orchestrator.agents.part_queue import CAPACITY, Abandoned, PartQueue
from orchestrator.conversation.actions import HangUp


async def test_parts_cross_threads_in_order_and_the_end_comes_last() -> None:
    queue = PartQueue()

    async def produce() -> None:
        for number in range(3 * CAPACITY):
            assert await queue.put(str(number))
        assert await queue.put(HangUp())
        queue.finish(None)

    thread = threading.Thread(target=asyncio.run, args=(produce(),))
    thread.start()
    taken = [await queue.get() for _ in range(3 * CAPACITY + 1)]
    assert taken == [*map(str, range(3 * CAPACITY)), HangUp()]
    with pytest.raises(StopAsyncIteration):
        await queue.get()
    thread.join()


async def test_a_full_queue_holds_the_producer_until_half_of_it_was_taken() -> None:
    queue = PartQueue()
    for _ in range(CAPACITY - 1):
        assert await queue.put("x")
    full = asyncio.ensure_future(queue.put("last"))
    await asyncio.sleep(0)
    for _ in range(CAPACITY // 2 - 1):
        await queue.get()
    await asyncio.sleep(0)
    assert not full.done()
    await queue.get()
    assert await full, "half of them were taken"


async def test_the_agents_error_comes_once_after_its_parts_and_then_the_end() -> None:
    queue = PartQueue()
    await queue.put("Well, ")
    queue.finish(KeyError("lost"))
    assert await queue.get() == "Well, "
    with pytest.raises(KeyError, match="lost"):
        await queue.get()
    with pytest.raises(StopAsyncIteration):
        await queue.get()


async def test_an_untouched_queue_can_be_abandoned_and_wakes_who_waits() -> None:
    queue = PartQueue()
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert queue.abandon()
    with pytest.raises(Abandoned):
        await waiting
    assert not await queue.put("too late")


@pytest.mark.parametrize("ended", [False, True])
async def test_a_queue_that_had_a_part_or_its_end_stays(ended: bool) -> None:
    queue = PartQueue()
    if ended:
        queue.finish(None)
    else:
        await queue.put("Hello.")
        await queue.get()
    assert not queue.abandon()


async def test_a_closed_queue_takes_nothing_more_and_still_tells_its_end() -> None:
    queue = PartQueue()
    await queue.put("dropped")
    queue.close()
    assert not await queue.put("refused")
    finished = asyncio.ensure_future(queue.finished())
    queue.finish(ValueError("while closing"))
    assert isinstance(await finished, ValueError)


async def test_whoever_waits_for_the_end_of_an_abandoned_queue_waits_no_longer() -> None:
    queue = PartQueue()
    queue.close()
    assert queue.abandon()
    assert await queue.finished() is None
