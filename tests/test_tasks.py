"""Cancelling tasks, and waiting for their end no longer than a deadline."""

import asyncio
import gc

import pytest
from support.waiting import wait_until

from orchestrator.tasks import BackgroundTasks, cancel_and_wait, first_done


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_cancelled_task_has_ended_when_the_call_returns() -> None:
    cleaned_up = []

    async def work() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            cleaned_up.append(True)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert task.cancelled()
    assert cleaned_up == [True]


async def test_tasks_that_have_ended_or_never_started_need_no_waiting() -> None:
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    cancelling = cancel_and_wait(None, done)
    try:
        cancelling.send(None)
    except StopIteration:
        return
    raise AssertionError("it has waited")


async def test_a_task_that_refuses_to_end_is_waited_for_until_the_deadline_alone() -> None:
    may_end = asyncio.Event()

    async def refuse() -> None:
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(refuse())
    await asyncio.sleep(0)
    await cancel_and_wait(task, seconds=0.01)
    assert not task.done()
    may_end.set()
    await task


async def test_what_a_task_raises_while_it_ends_is_not_raised_here() -> None:
    async def fail() -> None:
        try:
            await for_ever()
        finally:
            raise ValueError("while ending")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert isinstance(task.exception(), ValueError)


async def test_the_error_of_a_task_that_has_failed_before_is_not_reported() -> None:
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))

    async def fail() -> None:
        raise ValueError("before")

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    await cancel_and_wait(task)
    del task
    gc.collect()
    assert reported == []


async def test_background_tasks_are_dropped_as_they_end_and_cancelled_on_close() -> None:
    tasks, ended, begun = BackgroundTasks(), asyncio.Event(), asyncio.Event()

    async def end_at_once() -> None:
        ended.set()

    async def stay() -> None:
        begun.set()
        await for_ever()

    tasks.start(end_at_once(), "end at once")
    tasks.start(stay(), "stay")
    await ended.wait()
    await begun.wait()
    await tasks.close()
    assert not {task.get_name() for task in asyncio.all_tasks()} & {"end at once", "stay"}


async def test_background_tasks_may_end_by_themselves_before_they_are_cancelled() -> None:
    tasks, ended, go = BackgroundTasks(), asyncio.Event(), asyncio.Event()

    async def end_when_asked() -> None:
        await go.wait()
        ended.set()

    tasks.start(end_when_asked(), "end when asked")
    closing = asyncio.create_task(tasks.close(drain_seconds=60))
    await asyncio.sleep(0)
    go.set()
    await closing
    assert ended.is_set()


@pytest.mark.parametrize("place", [0, 1])
async def test_the_first_of_two_that_is_done_ends_the_wait(place: int) -> None:
    futures = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = asyncio.create_task(first_done(*futures, seconds=600))
    await asyncio.sleep(0)
    assert not waiting.done()
    futures[place].set_exception(ValueError("it is raised by nobody"))
    await wait_until(waiting.done, "the wait has ended")
    await waiting
    assert not futures[1 - place].done()
    futures[1 - place].cancel()
    assert isinstance(futures[place].exception(), ValueError)


async def test_two_of_which_one_is_done_are_not_waited_for() -> None:
    done, other = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    done.set_result(None)
    for pair in ((done, other), (other, done)):
        with pytest.raises(StopIteration):
            first_done(*pair, seconds=600).send(None)


async def test_the_first_of_two_is_waited_for_until_the_deadline_alone() -> None:
    futures = [asyncio.get_running_loop().create_future() for _ in range(2)]
    await first_done(*futures, seconds=0.01)
    assert not any(future.done() for future in futures)


async def test_a_wait_for_the_first_of_two_is_cancelled_alone() -> None:
    futures = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = asyncio.create_task(first_done(*futures, seconds=600))
    await asyncio.sleep(0)
    waiting.cancel()
    await wait_until(waiting.done, "the wait has ended")
    assert waiting.cancelled()
    assert not any(future.done() for future in futures)
