"""A call is bounded: 1,000 turns, 1 MB. Then it ends politely, and what is stored stays within the bound."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.actions import Gather, HangUp
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallEnded
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import OPENING, a_turn
from orchestrator.turns.bounds import MOST_BYTES, MOST_TURNS, TOO_LONG, TOO_LONG_REASON
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.runner import TurnRunner


class Talk:
    """One call in a store, and an agent that does as `says` tells."""

    def __init__(self, store: Any, states: Any, host: AgentHost) -> None:
        self.store, self.states = store, states
        self.ran = 0
        self.says: Callable[[Turn, ConversationState], Any] = lambda turn, state: f"You said {turn.text[:20]}."
        self.runner = TurnRunner(store, Agent("test", self._answer, isolation="inline"), host, agent_timeout_seconds=60)

    async def _answer(self, turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        self.ran += 1
        yield self.says(turn, state)

    async def take(self, turn_id: str, text: str = "hello", **more: Any) -> TurnResult:
        await self.store.submit(a_turn(turn_id, text=text, **more), opening=OPENING)
        await self.work()
        found = await self.store.find("CA1", turn_id)
        assert isinstance(found, TurnResult)
        return found

    async def work(self) -> None:
        await self.runner.run(await self.store.claim("CA1", "anna"))

    async def state(self) -> ConversationState:
        state: ConversationState | None = await self.states.get_state("CA1")
        assert state is not None
        return state

    async def size(self) -> int:
        return len((await self.state()).model_dump_json().encode())


@pytest.fixture(params=["memory", "redis", "states elsewhere"])
async def talk(request: pytest.FixtureRequest, redis_client) -> AsyncIterator[Talk]:
    memory = InMemoryStateManager(100)
    stores = {
        "memory": lambda: (InMemoryTurnStore(memory), memory),
        "redis": lambda: (RedisTurnStore(redis_client, ttl_seconds=100), RedisStateManager(redis_client, 100)),
        "states elsewhere": lambda: (RedisTurnStore(redis_client, ttl_seconds=100, states=memory), memory),
    }
    async with AgentHost() as host:
        yield Talk(*stores[request.param](), host)


def records(number: int, text: str = "hi") -> list[TurnRecord]:
    return [TurnRecord.of(a_turn(f"t{n}", text=text), "replied", Reply(text="yes")) for n in range(number)]


def is_polite_end(result: TurnResult) -> bool:
    ends = [action for action in result.reply.actions if isinstance(action, HangUp)]
    return result.outcome == "replied" and result.reply.text.endswith(TOO_LONG) and ends[-1].reason == TOO_LONG_REASON


async def test_the_thousandth_turn_is_a_polite_end(talk):
    await talk.states.create_state("CA1", channel="api", turns=records(MOST_TURNS - 2))
    assert (await talk.take("next-to-last")).reply.text == "You said hello."
    assert is_polite_end(await talk.take("last"))
    state = await talk.state()
    assert (len(state.turns), talk.ran) == (MOST_TURNS, 1)
    assert state.ended is not None
    assert (state.ended.status, state.ended.reason) == ("completed", TOO_LONG_REASON)
    with pytest.raises(CallEnded):
        await talk.store.submit(a_turn("more"))
    assert is_polite_end(await talk.take("last")), "the same answer to a retry"


async def test_turns_that_waited_when_the_call_was_full_do_not_make_it_longer(talk):
    await talk.states.create_state("CA1", channel="api", turns=records(MOST_TURNS - 1))
    for number in range(5):
        await talk.store.submit(a_turn(f"w{number}", text="x" * 60_000), opening=OPENING)
    await talk.work()
    assert len((await talk.state()).turns) == MOST_TURNS
    results = [await talk.store.find("CA1", f"w{number}") for number in range(5)]
    assert [result.outcome for result in results] == ["replied", *["dropped"] * 4]


async def test_words_of_callers_fill_a_call_to_a_megabyte_and_no_further(talk):
    result = None
    for number in range(MOST_TURNS):
        result = await talk.take(f"t{number}", text=f"{number} " * 12_000)
        assert await talk.size() <= MOST_BYTES
        if (await talk.state()).ended is not None:
            break
    assert result is not None
    assert is_polite_end(result)
    assert await talk.size() > MOST_BYTES * 0.8
    assert 10 < talk.ran < 50


async def test_control_characters_that_grow_in_json_are_reckoned_with(talk):
    for number in range(40):
        await talk.take(f"t{number}", text="\x01" * 30_000)
        assert await talk.size() <= MOST_BYTES
        if (await talk.state()).ended is not None:
            return
    raise AssertionError("the call was never full")


async def test_what_an_agent_keeps_is_bounded_too(talk):
    def hoard(turn: Turn, state: ConversationState) -> str:
        state.slots.setdefault("hoard", []).append("y" * 300_000)
        return "Noted."

    talk.says = hoard
    results = [await talk.take(f"t{number}") for number in range(4)]
    assert [is_polite_end(result) for result in results] == [False, False, False, True]
    assert results[-1].reply.text == f"Noted. {TOO_LONG}"
    assert await talk.size() <= MOST_BYTES
    assert len((await talk.state()).slots["hoard"]) == 3, "what did not fit is not kept"


async def test_an_agent_that_ends_the_call_itself_has_the_last_word(talk):
    await talk.states.create_state("CA1", channel="api", turns=records(10, "x" * 95_000))
    talk.says = lambda turn, state: HangUp(reason="done")
    result = await talk.take("last", text="bye")
    assert [action.reason for action in result.reply.actions] == ["done"]
    assert (await talk.state()).ended is not None


async def test_the_end_of_a_full_call_is_recorded(talk):
    await talk.states.create_state("CA1", channel="api", turns=records(MOST_TURNS - 1))
    await talk.take("ended", text="completed", kind="ended")
    state = await talk.state()
    assert (len(state.turns), state.ended.status) == (MOST_TURNS, "completed")
    assert not any(isinstance(action, Gather | HangUp) for action in state.turns[-1].reply.actions)


@pytest.mark.parametrize("room", [700, 2000, 5000, 5600])
async def test_timings_of_earlier_turns_do_not_make_it_longer(talk, room):
    await talk.states.create_state("CA1", channel="api", turns=records(16))
    state = await talk.states.update_state(await talk.state())
    state.slots["much"] = "x" * (MOST_BYTES - await talk.size() - room)
    await talk.states.update_state(state)
    late = {f"t{n}": {"first_sent": 12345.6, "first_heard": 23456.7} for n in range(16)}
    turn = Turn(turn_id="ended", call_sid="CA1", kind="ended", text="completed", late_timings=late)
    await talk.store.submit(turn)
    await talk.work()
    state = await talk.state()
    assert (state.turns[-1].turn_id, await talk.size() <= MOST_BYTES) == ("ended", True)
    assert ("first_heard" in state.turns[0].timings) == (room > 5300)
