"""What an agent has changed holds although the caller interrupted it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import pytest

from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent, Isolation, Overlap
from orchestrator.agents.receptionist import Receptionist
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn, TurnKind
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.state.memory import InMemoryStateManager

MONDAY = datetime(2026, 11, 23, 9, 30)
PATIENCE_SECONDS = 20
isolations = pytest.mark.parametrize("isolation", ["inline", "thread"])


class Line:
    """A call over the in-process dispatcher, whose agent can be made to dwell on a sentence."""

    def __init__(self) -> None:
        self.dwells_on: str | None = None
        self.dwells = asyncio.Event()
        self.here = asyncio.get_running_loop()

    async def open(
        self, stack: AsyncExitStack, isolation: Isolation, overlap: Overlap = "interrupt", reply: Any = None
    ) -> None:
        receptionist = Receptionist(clock=lambda: MONDAY)

        async def dwelling(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
            async for part in (reply or receptionist.reply)(turn, state):
                yield part
                if self.dwells_on is not None and self.dwells_on in str(part):
                    self.here.call_soon_threadsafe(self.dwells.set)
                    await asyncio.sleep(3600)

        self.states = InMemoryStateManager()
        host = await stack.enter_async_context(AgentHost())
        agent = Agent("dwelling", dwelling, overlap=overlap, isolation=isolation)
        dispatcher = InProcessDispatcher(self.states, agent, host, agent_timeout_seconds=PATIENCE_SECONDS)
        self.dispatcher = await stack.enter_async_context(dispatcher)

    async def submit(self, turn_id: str, kind: TurnKind, text: str = "") -> Any:
        turn = Turn(turn_id=turn_id, call_sid="CA1", kind=kind, text=text)
        opening = {"channel": "relay", "slots": {"has_looked_up": True}}  # so that times are offered at once
        return await self.dispatcher.submit(turn, opening=opening, stream=True)

    async def turn(self, turn_id: str, kind: TurnKind, text: str = "") -> TurnResult:
        result = await (await self.submit(turn_id, kind, text)).wait(PATIENCE_SECONDS)
        assert isinstance(result, TurnResult)
        return result

    async def state(self) -> ConversationState:
        state = await self.states.get_state("CA1")
        assert state is not None
        return state


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@isolations
async def test_a_yes_that_interrupts_the_read_back_is_understood(stack: AsyncExitStack, isolation: Isolation) -> None:
    line = Line()
    await line.open(stack, isolation)
    await line.turn("1", "started")
    await line.turn("2", "speech", "I'm Ann Lee, my number is 555 123 4567, I'd like a check-up")
    line.dwells_on = "Ann Lee"
    read_back = await line.submit("3", "speech", "the first")
    await asyncio.wait_for(line.dwells.wait(), PATIENCE_SECONDS)
    line.dwells_on = None
    answer = await line.turn("4", "speech", "yes")
    assert (await read_back.wait(PATIENCE_SECONDS)).outcome == "interrupted"
    assert "you are booked for Tuesday the twenty-fourth" in answer.reply.text
    assert (await line.state()).slots["is_booked"] is True


@isolations
async def test_a_hang_up_in_mid_reply_keeps_what_was_noted(stack: AsyncExitStack, isolation: Isolation) -> None:
    line = Line()
    await line.open(stack, isolation)
    await line.turn("1", "started")
    line.dwells_on = "number"
    await line.submit("2", "speech", "I'd like an appointment, my name is Ann Lee")
    await asyncio.wait_for(line.dwells.wait(), PATIENCE_SECONDS)
    await line.turn("3", "ended", "completed")
    state = await line.state()
    assert (state.slots["name"], state.ended is not None) == ("Ann Lee", True)


@isolations
async def test_words_that_are_merged_leave_no_trace_of_their_first_run(
    stack: AsyncExitStack, isolation: Isolation
) -> None:
    line = Line()

    async def counting(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        state.slots["heard"] = [*state.slots.get("heard", []), turn.text]
        if turn.text == "one":
            line.here.call_soon_threadsafe(line.dwells.set)
            await asyncio.sleep(3600)
        yield "Fine."

    await line.open(stack, isolation, "merge", counting)
    await line.turn("1", "started")
    await line.submit("2", "speech", "one")
    await asyncio.wait_for(line.dwells.wait(), PATIENCE_SECONDS)
    await line.turn("3", "speech", "two")
    assert (await line.state()).slots["heard"] == ["", "one two"]
