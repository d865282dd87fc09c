"""News of turns that come while another one runs, early, in time and late, and what an interruption leaves behind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.waiting import wait_until

from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.redis import keys
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.turns.messages import Arrival, arrival_message, read_arrival
from orchestrator.turns.outcome import note_what_was_heard
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.runner import TurnRunner

CALL = "CA1"


def turn(turn_id: str, kind: Any = "speech", **fields: Any) -> Turn:
    return Turn(turn_id=turn_id, call_sid=CALL, kind=kind, **fields)


@pytest.fixture
def go_on() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def dispatcher(go_on) -> AsyncIterator[InProcessDispatcher]:
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield f"{turn.kind} "
        if turn.kind == "speech":
            await go_on.wait()
        yield "done"

    async with (
        AgentHost() as host,
        InProcessDispatcher(
            InMemoryStateManager(), Agent("test", agent, isolation="inline"), host, agent_timeout_seconds=60
        ) as made,
    ):
        await (await made.submit(turn("start", "started"), opening={"channel": "relay"})).wait(60)
        yield made


async def test_a_late_message_about_a_settled_turn_stops_nothing(dispatcher, go_on):
    pending = await dispatcher.submit(turn("a"), stream=True)
    await wait_until(lambda: dispatcher.runner.running, "it runs")
    dispatcher.runner.arrived(Arrival(CALL, "start", "interrupted", ""))
    go_on.set()
    assert (await pending.wait(60)).outcome == "replied"


async def test_an_interruption_of_another_reply_stops_nothing(dispatcher, go_on):
    pending = await dispatcher.submit(turn("a"), stream=True)
    await wait_until(lambda: dispatcher.runner.running, "it runs")
    await dispatcher.submit(turn("i", "interrupted", text="sta", interrupts="start"))
    go_on.set()
    assert (await pending.wait(60)).outcome == "replied"
    await dispatcher.idle(CALL, 60)
    state = await dispatcher.memory.states.get_state(CALL)
    assert state.record_of("start").heard == "sta"
    assert state.record_of("a").heard is None


async def test_a_reply_interrupted_before_a_worker_claims_the_call_is_not_run_again(redis_client):
    seen: list[str] = []

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        seen.append(turn.turn_id)
        yield "all of it"

    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60)
    await store.submit(turn("start", "started"), opening={"channel": "relay"}, stream=True)
    await store.submit(turn("a"), stream=True)
    await store.submit(turn("i", "interrupted", text="all", interrupts="a"))
    await store.submit(turn("b"), stream=True)
    async with AgentHost() as host:
        runner = TurnRunner(store, Agent("test", agent, isolation="inline"), host, agent_timeout_seconds=60)
        await runner.run(await store.claim(CALL, "worker"))
    assert seen == ["start", "b"]
    state = await RedisStateManager(redis_client).get_state(CALL)
    assert [(record.turn_id, record.outcome, record.heard) for record in state.turns] == [
        ("start", "replied", None), ("a", "interrupted", "all"), ("i", "replied", None), ("b", "replied", None),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["speech", "keys"])
@pytest.mark.parametrize(
    ("overlap", "runs", "outcome"),
    [
        (None, ["start", "b"], "interrupted"),
        ("interrupt", ["start", "b"], "interrupted"),
        ("merge", ["start", "b"], "interrupted"),
        ("enqueue", ["start", "a", "b"], "replied"),
    ],
)
async def test_words_queued_behind_the_turn_of_a_dead_worker_stop_its_second_run_if_turns_interrupt(
    redis_client, kind, overlap, runs, outcome
):
    seen: list[str] = []

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        seen.append(turn.turn_id)
        yield "all of it"

    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60)
    await store.submit(turn("start", "started"), opening={"channel": "relay"}, stream=True)
    async with AgentHost() as host:
        runner = TurnRunner(
            store, Agent("test", agent, overlap=overlap, isolation="inline"), host, agent_timeout_seconds=60
        )
        await runner.run(await store.claim(CALL, "worker"))
        await store.submit(turn("a"), stream=True)
        assert await store.claim(CALL, "a worker that dies") is not None
        await store.submit(turn("i", "interrupted", text="He", interrupts="start"))
        await store.submit(turn("b", kind), stream=True)
        await redis_client.hset(keys.call(CALL).lease, "until", 0)
        await runner.run(await store.claim(CALL, "worker"))
    assert seen == runs
    state = await RedisStateManager(redis_client).get_state(CALL)
    assert [record.turn_id for record in state.turns] == ["start", "a", "i", "b"]
    assert state.record_of("a").outcome == outcome


async def test_a_turn_that_was_not_started_is_run_whatever_is_queued_behind_it(redis_client):
    seen: list[str] = []

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        seen.append(turn.turn_id)
        yield "all of it"

    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60)
    await store.submit(turn("start", "started"), opening={"channel": "relay"}, stream=True)
    await store.submit(turn("a"), stream=True)
    await store.submit(turn("b"), stream=True)
    async with AgentHost() as host:
        runner = TurnRunner(store, Agent("test", agent, isolation="inline"), host, agent_timeout_seconds=60)
        await runner.run(await store.claim(CALL, "worker"))
    assert seen == ["start", "a", "b"]


async def test_words_say_what_was_heard_of_the_replies_that_they_cut_off(dispatcher, go_on):
    go_on.set()
    await (await dispatcher.submit(turn("a"), stream=True)).wait(60)
    await (await dispatcher.submit(turn("b", unfinished={"a": "speech ", "start": "started done"}))).wait(60)
    state = await dispatcher.memory.states.get_state(CALL)
    assert [(r.turn_id, r.outcome, r.heard) for r in state.turns] == [
        ("start", "replied", None), ("a", "interrupted", "speech "), ("b", "replied", None),
    ]  # fmt: skip
    dispatcher.runner.agents = AgentTable(
        Agent("test", dispatcher.runner.agents.default.reply, overlap="enqueue", isolation="inline")
    )
    await (await dispatcher.submit(turn("c", unfinished={"b": ""}))).wait(60)
    assert (await dispatcher.memory.states.get_state(CALL)).record_of("b").heard is None


async def test_a_message_that_overtakes_the_claim_stops_the_turn_it_interrupts(dispatcher):
    dispatcher.runner.arrived(Arrival(CALL, "i", "interrupted", "", "a"))
    pending = await dispatcher.submit(turn("a"), stream=True)
    assert (await pending.wait(60)).outcome == "interrupted"


async def test_an_interruption_is_recorded_without_asking_the_agent(dispatcher):
    pending = await dispatcher.submit(turn("i", "interrupted", text="started", interrupts="start"))
    result = await pending.wait(60)
    assert (result.outcome, result.reply) == ("replied", Reply())


def test_what_an_arrival_says_survives_its_way():
    told = read_arrival(arrival_message(turn("i", "interrupted", text="so far", interrupts="a")))
    assert told == Arrival(CALL, "i", "interrupted", "so far", "a")


def test_what_was_heard_is_noted_once_and_where_it_belongs():
    records = [TurnRecord.of(turn(name), "replied", Reply(text=f"reply {name}")) for name in ("a", "b")]
    state = ConversationState(call_sid=CALL, turns=records)
    last = note_what_was_heard(state, "rep")
    assert [record.heard for record in last.turns] == [None, "rep"]
    assert note_what_was_heard(last, "again") == last
    assert [record.heard for record in note_what_was_heard(state, "", "a").turns] == ["", None]


def test_words_of_a_run_that_was_lost_were_heard_though_the_next_run_had_none():
    record = TurnRecord.of(turn("a"), "interrupted", Reply())
    state = note_what_was_heard(ConversationState(call_sid=CALL, turns=[record]), "so far", "a")
    assert (state.turns[0].heard, state.turns[0].reply.text) == ("so far", "so far")
