"""Callers who call again and again."""

import asyncio

import pytest
from support.waiting import wait_until

from orchestrator.load.repeated_calls import RepeatedCalls
from orchestrator.load.results import CallResults


class Talker:
    """A caller whose call ends when it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.over = asyncio.Event()
        self.has_hung_up = False
        self._error = error

    async def call(self) -> None:
        if self._error is not None:
            raise self._error
        await self.over.wait()

    def hang_up(self) -> None:
        self.has_hung_up = True
        self.over.set()


@pytest.fixture
def talkers() -> list[Talker]:
    return []


@pytest.fixture
def calls(talkers: list[Talker]) -> RepeatedCalls:
    """Two callers."""

    def begin() -> Talker:
        talkers.append(Talker())
        return talkers[-1]

    return RepeatedCalls(begin, 2, CallResults())


async def test_who_has_ended_a_call_makes_the_next(calls: RepeatedCalls, talkers: list[Talker]) -> None:
    running = asyncio.create_task(calls.run())
    await wait_until(lambda: len(talkers) == 2, "both call")
    talkers[0].over.set()
    await wait_until(lambda: len(talkers) == 3, "the first one calls again")
    calls.hang_up()
    await running
    assert [talker.has_hung_up for talker in talkers] == [False, True, True]


async def test_live_calls_come_to_their_end(calls: RepeatedCalls, talkers: list[Talker]) -> None:
    running = asyncio.create_task(calls.run())
    await wait_until(lambda: len(talkers) == 2, "both call")
    calls.finish()
    for talker in talkers:
        talker.over.set()
    await running
    assert [talker.has_hung_up for talker in talkers] == [False, False]


async def test_what_a_caller_raises_ends_all(talkers: list[Talker]) -> None:
    calls = RepeatedCalls(lambda: Talker(ValueError("broken")), 2, CallResults())
    with pytest.raises(ValueError, match="broken"):
        await calls.run()
