"""When a turn reached its stages: what its record and its result say, however the turn ended."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from support.waiting import wait_until

from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.timings import milliseconds_since
from orchestrator.conversation.turn import Turn
from orchestrator.redis import keys
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import OPENING, a_turn
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.messages import Arrival
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.runner import TurnRunner
from orchestrator.turns.store import TurnStore

ALL = ["submitted", "claimed", "first_token", "finished", "committed"]


async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Do what the words say."""
    match turn.text:
        case "raise":
            raise RuntimeError("as I was told")
        case "hang":
            await asyncio.Event().wait()
        case "talk":
            yield "one "
            await asyncio.Event().wait()
        case "bye":
            yield HangUp()
        case "nothing":
            return
        case _:
            yield "yes"


class Stage:
    """A store with one runner, and the states it writes."""

    def __init__(self, store: TurnStore, states: Any, host: AgentHost) -> None:
        self.store = store
        self.states = states
        self._host = host
        self.runner = self.runner_with("interrupt", 30)

    def runner_with(self, overlap: Any, seconds: float) -> TurnRunner:
        """Return a runner whose agent has this overlap policy and deadline."""
        made = Agent("test", agent, isolation="inline", overlap=overlap)
        return TurnRunner(self.store, made, self._host, agent_timeout_seconds=seconds)

    async def submit(self, turn_id: str, text: str = "hello", **fields: Any) -> None:
        turn = Turn(**{"turn_id": turn_id, "call_sid": "CA1", "kind": "speech", "text": text, **fields})
        await self.store.submit(turn, opening=OPENING, stream=True)

    async def run(self) -> None:
        """Run what waits."""
        await self.runner.run(await self.store.claim("CA1", "anna"))

    async def state(self) -> ConversationState:
        state = await self.states.get_state("CA1")
        assert state is not None
        return state

    async def record(self, turn_id: str) -> TurnRecord:
        record = (await self.state()).record_of(turn_id)
        assert record is not None
        return record

    async def timings(self, turn_id: str) -> dict[str, float]:
        return (await self.record(turn_id)).timings


@pytest.fixture(params=["memory", "redis"])
async def stage(request: pytest.FixtureRequest, redis_client: Redis) -> AsyncIterator[Stage]:
    async with AgentHost() as host:
        if request.param == "memory":
            states = InMemoryStateManager()
            yield Stage(InMemoryTurnStore(states), states, host)
        else:
            store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60, listener="here")
            yield Stage(store, RedisStateManager(redis_client, 100), host)


async def test_a_turn_that_was_replied_to_has_all_stages_in_their_order(stage: Stage) -> None:
    await stage.submit("t1")
    await stage.run()
    timings = await stage.timings("t1")
    assert list(timings) == ALL
    assert list(timings.values()) == sorted(timings.values())
    assert all(ms >= 0 and round(ms, 1) == ms for ms in timings.values())
    result = await stage.store.find("CA1", "t1")
    assert isinstance(result, TurnResult)
    assert result.timings == timings


@pytest.mark.parametrize(
    ("words", "outcome", "stages"),
    [
        ("raise", "failed", ["submitted", "claimed", "finished", "committed"]),
        ("hang", "timed_out", ["submitted", "claimed", "finished", "committed"]),
        ("talk", "timed_out", ALL),
        ("nothing", "replied", ["submitted", "claimed", "finished", "committed"]),
    ],
)
async def test_a_turn_that_ended_otherwise_has_the_stages_that_it_reached(
    stage: Stage, words: str, outcome: str, stages: list[str]
) -> None:
    stage.runner = stage.runner_with("interrupt", 0.3 if outcome == "timed_out" else 30)
    await stage.submit("t1", words)
    await stage.run()
    assert ((await stage.record("t1")).outcome, list(await stage.timings("t1"))) == (outcome, stages)


@pytest.mark.parametrize(
    ("overlap", "words", "stages"),
    [("interrupt", "talk", ALL), ("merge", "hang", ["submitted", "claimed", "finished", "committed"])],
)
async def test_a_turn_that_was_interrupted_or_merged_has_the_stages_that_it_reached(
    stage: Stage, overlap: Any, words: str, stages: list[str]
) -> None:
    stage.runner = stage.runner_with(overlap, 30)
    await stage.submit("t1", words)
    running = asyncio.create_task(stage.run())
    await wait_until(lambda: stage.runner.running, "it runs")
    turn = stage.runner.running["CA1"]
    await wait_until(lambda: words == "hang" or turn.reply.text, "it has begun")
    await stage.submit("t2")
    stage.runner.arrived(Arrival("CA1", "t2", "speech", "hello"))
    await running
    assert ((await stage.record("t1")).outcome, list(await stage.timings("t1"))) == ("interrupted", stages)
    following = await stage.timings("t2")
    assert list(following) == ALL
    assert following["claimed"] >= following["submitted"]


async def test_no_agent_runs_for_a_turn_that_is_only_noted_or_dropped(stage: Stage) -> None:
    await stage.submit("t1", "bye")
    await stage.submit("i1", kind="interrupted", interrupts="t0")
    await stage.submit("t2")
    await stage.run()
    assert (await stage.state()).ended is not None
    assert (await stage.record("t2")).outcome == "dropped"
    for turn_id in ("i1", "t2"):
        assert list(await stage.timings(turn_id)) == ["submitted", "claimed", "committed"]


async def test_of_two_runs_the_one_that_was_committed_counts(stage: Stage) -> None:
    await stage.submit("t1")
    first = await stage.store.claim("CA1", "bert")
    assert first is not None
    await stage.store.retry_later(first, 0)
    second = await stage.store.claim("CA1", "anna")
    assert second is not None
    second.claimed_at = first.claimed_at + 60  # a minute later
    await stage.runner.run(second)
    received_at = second.turn.received_at.timestamp()
    timings = await stage.timings("t1")
    assert timings["claimed"] == milliseconds_since(received_at, second.claimed_at)
    assert timings["committed"] >= timings["claimed"] > 59_000


async def test_a_turn_that_is_answered_already_keeps_its_timings(redis_client: Redis, stage: Stage) -> None:
    await stage.submit("t1")
    await stage.run()
    before = await stage.record("t1")
    if isinstance(stage.store, RedisTurnStore):
        await redis_client.delete(keys.call("CA1").turns)  # as if the results were lost
        await stage.submit("t1")
        await stage.run()
    result = await stage.store.find("CA1", "t1")
    assert isinstance(result, TurnResult)
    assert (await stage.record("t1"), result.timings) == (before, before.timings)


async def test_what_became_known_later_comes_with_the_next_turn(stage: Stage) -> None:
    await stage.submit("t1")
    await stage.run()
    before = await stage.timings("t1")
    late = {"t1": {"first_sent": 12.3, "first_heard": 400.5, "claimed": 1e6}, "unknown": {"first_sent": 1.0}}
    await stage.submit("t2", late_timings=late)
    await stage.run()
    assert await stage.timings("t1") == {**before, "first_sent": 12.3, "first_heard": 400.5}
    assert (await stage.state()).record_of("unknown") is None


@pytest.mark.parametrize("turn", [{"kind": "interrupted"}, {"kind": "ended"}, {"text": "bye"}, {"text": "raise"}])
async def test_it_comes_with_every_kind_of_turn(stage: Stage, turn: dict[str, Any]) -> None:
    await stage.submit("t1")
    await stage.run()
    await stage.submit("t2", **turn, late_timings={"t1": {"first_sent": 12.3}})
    await stage.run()
    assert (await stage.timings("t1"))["first_sent"] == 12.3


async def test_it_comes_also_with_a_turn_of_a_call_that_is_over(stage: Stage) -> None:
    await stage.submit("t1", "bye")
    await stage.submit("t2", late_timings={"t1": {"first_sent": 12.3}})
    await stage.run()
    assert (await stage.record("t2")).outcome == "dropped"
    assert (await stage.timings("t1"))["first_sent"] == 12.3


async def test_it_is_kept_when_somebody_else_wrote_meanwhile(stage: Stage) -> None:
    await stage.submit("t1")
    await stage.run()
    await stage.submit("t2", "talk", late_timings={"t1": {"first_sent": 12.3}})
    running = asyncio.create_task(stage.run())
    await wait_until(lambda: stage.runner.running and stage.runner.running["CA1"].reply.text, "it has begun")
    state = await stage.state()
    await stage.states.update_state(state.model_copy(update={"slots": {"theirs": 1}}))
    stage.runner.running["CA1"].stop("interrupted")
    await running
    state = await stage.state()
    assert (state.slots, state.turns[0].timings["first_sent"]) == ({"theirs": 1}, 12.3)


async def test_a_turn_that_an_older_ingress_submitted_has_no_such_stage(redis_client: Redis) -> None:
    async with AgentHost() as host:
        stage = Stage(
            RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60), RedisStateManager(redis_client, 100), host
        )
        await stage.submit("t1")
        await redis_client.hset(keys.call("CA1").turns, "t1", b"P" + a_turn("t1").model_dump_json().encode())
        await stage.run()
        assert list(await stage.timings("t1")) == ALL[1:]
