"""Each fact is counted where it happens, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from support.counting import counting, totals
from support.ingress import CALL, QUICK, redirect_of, started_ingress
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.local_calls import LocalCalls
from orchestrator.errors import StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.process_metrics.event_loop_lag import event_loop_lag_measured
from orchestrator.redis.breaker import TRIPS_AFTER, Breaker
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.turn_store_contract import a_turn
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.retrying_store import RetryingStore


async def chatty(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Raises on "bad"."""
    if "bad" in turn.text:
        raise ValueError("as I was told")
    yield "Hello! "
    yield "And more."


async def test_runs_of_agents_and_their_first_tokens() -> None:
    with counting(catalog.AGENT_RUN_SECONDS) as runs, counting(catalog.AGENT_FIRST_TOKEN_SECONDS) as first_tokens:
        async with started_ingress(agent=chatty) as ingress:
            await ingress.begin()
            await ingress.twiml("/twilio/turn/1", SpeechResult="good")
            await ingress.twiml("/twilio/turn/2", SpeechResult="bad")
    ((agent, _),) = {(agent, "") for agent, _ in runs}
    assert runs == {(agent, "replied"): 2, (agent, "failed"): 1}
    assert first_tokens == {(agent,): 2}


async def test_a_webhook_that_comes_twice_and_one_that_comes_while_the_first_is_answered() -> None:
    gate = asyncio.Event()

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.text == "slow":
            await gate.wait()
        yield "Done."

    async with started_ingress(agent=slow) as ingress:
        with counting(catalog.DUPLICATES_ABSORBED) as added:
            await ingress.begin()
            await ingress.twiml("/twilio/turn/1", SpeechResult="quick")
        assert added == {}
        with counting(catalog.DUPLICATES_ABSORBED) as added:
            await ingress.twiml("/twilio/turn/1", SpeechResult="quick")
        assert added == {("gather",): 1}
        with counting(catalog.DUPLICATES_ABSORBED) as added:
            words = {"SpeechResult": "slow"}
            first = asyncio.create_task(ingress.twiml("/twilio/turn/2", **words))
            await wait_until(lambda: ingress.turns[-1].text == "slow", "the first is stored")
            second = asyncio.create_task(ingress.twiml("/twilio/turn/2", **words))
            await wait_until(lambda: [turn.text for turn in ingress.turns].count("slow") == 2, "the second has come")
            gate.set()
            await asyncio.gather(first, second)
        assert added == {("gather",): 1}


async def test_a_caller_who_is_held_asks_again_and_that_is_no_duplicate() -> None:
    gate = asyncio.Event()

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            await gate.wait()
        yield "Done."

    with (
        counting(catalog.CALLERS_HELD) as held,
        counting(catalog.FILLERS) as fillers,
        counting(catalog.DUPLICATES_ABSORBED) as repeated,
    ):
        async with started_ingress(agent=slow, timeouts=QUICK) as ingress:
            await ingress.begin()
            document = await ingress.twiml("/twilio/turn/1", SpeechResult="work")
            document = await ingress.twiml(redirect_of(document))
            gate.set()
            while document.find("Gather") is None:
                document = await ingress.twiml(redirect_of(document))
    assert held == {("gather", "agent"): 1}
    assert fillers[("gather",)] >= 2
    assert repeated == {}


async def test_a_caller_who_is_held_because_redis_is_down() -> None:
    with counting(catalog.CALLERS_HELD) as held, counting(catalog.FILLERS) as fillers:
        async with started_ingress() as ingress:
            ingress.trouble(StoreUnavailable("down"))
            await ingress.twiml("/twilio/turn/1", SpeechResult="work")
    assert held == {("gather", "redis"): 1}
    assert fillers == {("gather",): 1}


async def test_a_caller_who_is_held_on_a_relay() -> None:
    with counting(catalog.CALLERS_HELD) as held, counting(catalog.FILLERS) as fillers:
        async with started_ingress(timeouts=QUICK) as ingress, relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
            ingress.trouble(StoreUnavailable("down"))
            await caller.prompt("Are you there?")
            await caller.reply()
            ingress.trouble(None)
            await wait_until(lambda: ingress.turns[-1].text == "Are you there?", "the words are stored")
    assert held == {("relay", "redis"): 1}
    assert fillers[("relay",)] >= 1


async def test_a_text_turn_that_is_sent_again() -> None:
    async with started_ingress(api_key="key") as ingress:
        ask = {"turn_id": "t1", "text": "hello"}
        headers = {"Authorization": "Bearer key"}
        with counting(catalog.DUPLICATES_ABSORBED) as added:
            await ingress.client.post("/calls/c1/turns", json=ask, headers=headers)
        assert added == {}
        with counting(catalog.DUPLICATES_ABSORBED) as added:
            await ingress.client.post("/calls/c1/turns", json=ask, headers=headers)
        assert added == {("api",): 1}


@pytest.mark.parametrize("provider", ["twilio", "telnyx", "signalwire"])
async def test_a_webhook_whose_signature_is_wrong(provider: str) -> None:
    async with started_ingress(signalwire_signing_key="k") as ingress:
        with counting(catalog.SIGNATURE_FAILURES) as added:
            answer = await ingress.client.post(f"/{provider}/voice", data={"CallSid": CALL})
        assert answer.status_code == 403
    assert added == {(provider,): 1}


async def test_redis_found_to_be_down_once_for_each_outage() -> None:
    async def well() -> None:
        """Nothing is wrong."""

    with counting(catalog.REDIS_OUTAGES) as added:
        async with Breaker(well) as breaker:
            for _ in range(2 * TRIPS_AFTER):
                with suppress(StoreUnavailable), breaker.guard():
                    raise StoreUnavailable("gone")
    assert added == {(): 1}


async def test_a_dead_letter() -> None:
    store = InMemoryTurnStore(InMemoryStateManager())
    await store.submit(a_turn("t1"), opening={"channel": "api"})
    claim = await store.claim("CA1", "w1")
    assert claim is not None
    with counting(catalog.TURNS_DEAD_LETTERED) as added:
        await RetryingStore(store).dead_letter(claim, "it crashed")
    assert added == {(): 1}


async def test_the_lag_of_an_event_loop_that_is_blocked() -> None:
    with counting(catalog.EVENT_LOOP_LAG) as added:
        async with event_loop_lag_measured(0.001):
            before = totals(catalog.EVENT_LOOP_LAG)
            await wait_until(lambda: totals(catalog.EVENT_LOOP_LAG) != before, "it is measured")
    assert added[()] >= 1


async def test_a_call_that_is_written_back_and_one_that_cannot_be_yet() -> None:
    is_down = True

    class Store(InMemoryStateManager):
        """The shared store."""

        async def get_confirmed_state(self, call_sid: str) -> ConversationState | None:
            if is_down:
                raise StoreUnavailable("down")
            return await super().get_confirmed_state(call_sid)

    async def well() -> None:
        """Redis passes the probe."""

    async def idle(call_sid: str, seconds: float) -> None:
        """No turn runs."""

    states, memory = Store(), InMemoryStateManager()
    base = await states.create_state("CA1")
    async with Breaker(well) as breaker:
        calls = LocalCalls(states=states, memory=memory, breaker=breaker, idle=idle, return_seconds=3600)
        await calls.add("CA1", base)
        state = await memory.get_state("CA1")
        assert state is not None
        await memory.update_state(state.model_copy(update={"slots": {"name": "Ann"}}))
        with counting(catalog.CALLS_WRITTEN_BACK) as added:
            assert not await calls.write_back("CA1")
        assert added == {("failed",): 1}
        is_down = False
        with counting(catalog.CALLS_WRITTEN_BACK) as added:
            assert await calls.write_back("CA1")
        assert added == {("written",): 1}
        await calls.close()
