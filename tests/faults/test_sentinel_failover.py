"""Live calls over Sentinels: the master dies, and the calls go on."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
from support.relay import RelaySocket, relay_socket
from support.sentinels import SentinelTopology
from topologies.failover import Outcome, Service, survive
from topologies.faults import cut_off, fail_over, kill_and_bring_back, killed_while_behind

from web.twilio.twiml import FILLERS

pytestmark = pytest.mark.processes

CONFIRMED = {"REDIS_WAIT_REPLICAS": "1", "REDIS_WAIT_MS": "500"}


@pytest.fixture
def sentinels() -> Iterator[SentinelTopology]:
    with SentinelTopology(password="pass") as topology:
        yield topology


def assert_unharmed(outcome: Outcome) -> None:
    assert outcome.exits == []
    assert (outcome.lost, outcome.changed, outcome.disordered, outcome.unanswered) == ([], [], [], 0)
    assert outcome.turns >= 3 * outcome.calls


async def test_a_master_that_is_killed_under_live_calls_costs_none(sentinels) -> None:
    assert_unharmed(await survive(sentinels.url, lambda: kill_and_bring_back(sentinels)))


async def test_a_master_that_is_frozen_under_live_calls_costs_none(sentinels) -> None:
    assert_unharmed(await survive(sentinels.url, lambda: cut_off(sentinels)))


async def test_where_replicas_confirm_a_planned_failover_costs_none_though_the_old_master_goes_on(sentinels) -> None:
    assert_unharmed(await survive(sentinels.url, lambda: fail_over(sentinels), **CONFIRMED))


async def test_where_replicas_confirm_calls_on_relays_are_held_and_not_carried_on_elsewhere(sentinels) -> None:
    async with Service(sentinels.url, VOICE_CHANNEL="relay", **CONFIRMED) as service, AsyncExitStack() as stack:
        callers = [
            (f"CA{number}", await stack.enter_async_context(relay_socket(service.urls[number % 2], None)))
            for number in range(6)
        ]

        async def converse(call_sid: str, caller: RelaySocket) -> None:
            await caller.setup(call_sid, f"VX{call_sid}")
            await answer(caller)
            for text in ("one", "two", "three"):
                await caller.prompt(text)
                assert await answer(caller) == f"You said: {text}"
                if text == "one":
                    greeted.release()
                    await failing.wait()

        greeted, failing = asyncio.Semaphore(0), asyncio.Event()
        conversations = asyncio.gather(*(converse(*caller) for caller in callers))
        for _ in callers:
            await greeted.acquire()
        failing.set()
        await kill_and_bring_back(sentinels)
        await conversations
        assert not service.has_said("goes on in memory")
        assert service.exits() == []
        async with httpx.AsyncClient(base_url=service.urls[0], timeout=60) as client:
            for call_sid, _ in callers:
                turns = (await client.get(f"/calls/{call_sid}")).json()["turns"]
                assert [turn["text"] for turn in turns] == ["", "one", "two", "three"]
                assert [turn["outcome"] for turn in turns] == ["replied"] * 4


async def answer(caller: RelaySocket) -> str:
    """What is said once there are no more fillers."""
    while (said := await caller.reply(90)) in FILLERS:
        pass
    return said


async def test_where_replicas_confirm_one_that_was_behind_costs_none(sentinels) -> None:
    assert_unharmed(await survive(sentinels.url, lambda: killed_while_behind(sentinels), **CONFIRMED))
