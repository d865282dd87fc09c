"""What becomes of turns in one process: outcomes, overlaps, ends, conflicts, with agents made for each case."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent, AgentFunction
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.hub import Pending
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.errors import CallEnded
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.turn_store_contract import a_turn
from orchestrator.turns.outcome import APOLOGY


class Stage:
    """A dispatcher, and a gate that an agent may wait at."""

    def __init__(self, dispatcher: InProcessDispatcher) -> None:
        self.dispatcher = dispatcher

    async def submit(self, turn_id: str, *, kind: Any = "speech", text: str = "hello", **options: Any) -> Any:
        opening = options.pop("opening", {"channel": "api"})
        return await self.dispatcher.submit(a_turn(turn_id, kind=kind, text=text), opening=opening, **options)

    async def result(self, pending: Any) -> Any:
        result = await pending.wait(60)
        assert result is not None, "no result came"
        return result

    async def ask(self, turn_id: str, **options: Any) -> Any:
        return await self.result(await self.submit(turn_id, **options))

    async def state(self) -> ConversationState:
        state = await self.dispatcher.memory.states.get_state("CA1")
        assert state is not None
        return state

    async def turns(self) -> list[TurnRecord]:
        return (await self.state()).turns


@asynccontextmanager
async def stage(agent: AgentFunction, *, timeout: float = 60, overlap: Any = None) -> AsyncIterator[Stage]:
    async with (
        AgentHost() as host,
        InProcessDispatcher(
            InMemoryStateManager(100),
            Agent("trial", agent, overlap=overlap, isolation="inline"),
            host,
            agent_timeout_seconds=timeout,
            drain_seconds=5,
        ) as dispatcher,
    ):
        yield Stage(dispatcher)


async def parrot(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    if turn.kind != "ended":
        yield f"You said {turn.text}."


async def speechless(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Says a word and never ends."""
    if turn.kind in ("ended", "interrupted") or turn.text == "quick":
        yield "quickly"
        return
    yield "Well, "
    await asyncio.Event().wait()


async def speaks(pending: Pending) -> None:
    """Wait for the first words of a reply."""
    await asyncio.wait_for(anext(pending.tokens()), 30)


async def test_a_turn_is_replied_to_and_kept() -> None:
    async with stage(parrot) as s:
        result = await s.ask("t1")
        assert (result.outcome, result.reply.text) == ("replied", "You said hello.")
        assert [(r.turn_id, r.text, r.reply.text) for r in await s.turns()] == [("t1", "hello", "You said hello.")]


async def test_an_agent_that_raises_apologises_and_changes_nothing() -> None:
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        state.slots["half"] = True
        yield "Let me see. "
        raise RuntimeError("boom")

    async with stage(agent) as s:
        result = await s.ask("t1")
        assert (result.outcome, result.reply.text) == ("failed", f"Let me see. {APOLOGY}")
        assert (await s.state()).slots == {}


@pytest.mark.parametrize("rubbish", [None, 42, b"bytes", {"text": "hello"}, "\ud800"], ids=repr)
async def test_an_agent_that_yields_rubbish_apologises(rubbish: Any) -> None:
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield rubbish

    async with stage(agent) as s:
        result = await s.ask("t1")
        assert (result.outcome, result.reply.text) == ("failed", APOLOGY)


async def test_an_agent_that_never_stops_talking_apologises() -> None:
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        while True:
            yield "bla " * 1000
            await asyncio.sleep(0)

    async with stage(agent) as s:
        result = await s.ask("t1")
        assert result.outcome == "failed"
        assert result.reply.text.endswith(APOLOGY)


async def test_an_agent_that_hangs_is_cut_off_at_its_deadline_and_the_call_goes_on() -> None:
    async with stage(speechless, timeout=1) as s:
        result = await s.ask("t1")
        assert (result.outcome, result.reply.text) == ("timed_out", f"Well, {APOLOGY}")
        assert (await s.ask("t2", text="quick")).reply.text == "quickly"


async def test_hanging_up_ends_the_call_once() -> None:
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind != "ended":
            yield "Bye."
            yield HangUp()

    async with stage(agent) as s:
        await s.ask("t1")
        ended = (await s.state()).ended
        assert ended is not None
        assert (ended.status, ended.reason) == ("completed", "agent hung up")
        for kind in ("speech", "ended"):
            with pytest.raises(CallEnded):
                await s.submit(f"after-{kind}", kind=kind)
        assert (await s.state()).ended == ended


async def test_the_end_of_a_call_cancels_the_running_turn_and_keeps_what_was_heard() -> None:
    async with stage(speechless) as s:
        running = await s.submit("t1", stream=True)
        waiting = await s.submit("t2")
        await speaks(running)
        end = await s.submit("end", kind="ended", text="completed")
        assert (await s.result(running)).outcome == "interrupted"
        assert (await s.result(waiting)).outcome == "dropped"
        assert (await s.result(end)).outcome == "replied"
        assert [(r.turn_id, r.outcome, r.heard_text) for r in await s.turns()] == [
            ("t1", "interrupted", "Well, "),
            ("t2", "dropped", ""),
            ("end", "replied", "quickly"),
        ]
        ended = (await s.state()).ended
        assert ended is not None
        assert ended.status == "completed"


async def test_by_default_turns_that_overlap_are_answered_in_order() -> None:
    gate = asyncio.Event()

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        await gate.wait()
        yield turn.text

    async with stage(agent) as s:
        pending = [await s.submit(f"t{n}", text=str(n)) for n in range(5)]
        gate.set()
        assert [(await s.result(p)).reply.text for p in pending] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("by", ["policy", "channel"])
async def test_a_turn_may_interrupt_the_one_before(by: str) -> None:
    opening = {"channel": "relay" if by == "channel" else "api"}
    async with stage(speechless, overlap="interrupt" if by == "policy" else None) as s:
        first = await s.submit("t1", stream=True, opening=opening)
        await speaks(first)
        assert (await s.ask("t2", text="quick", opening=opening)).reply.text == "quickly"
        assert (await s.result(first)).outcome == "interrupted"


async def test_words_said_before_the_first_token_are_joined() -> None:
    began = asyncio.Event()

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.text == "I would":
            began.set()
            await asyncio.Event().wait()
        yield f"You said: {turn.text}"

    async with stage(agent, overlap="merge") as s:
        first = await s.submit("t1", text="I would")
        await asyncio.wait_for(began.wait(), 30)
        assert (await s.ask("t2", text="like a table")).reply.text == "You said: I would like a table"
        assert (await s.result(first)).outcome == "interrupted"


async def test_a_turn_may_be_rejected_while_another_runs() -> None:
    gate = asyncio.Event()

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "one moment"
        await gate.wait()

    async with stage(agent, overlap="reject") as s:
        first = await s.submit("t1", stream=True)
        await speaks(first)
        assert (await s.ask("t2")).outcome == "dropped"
        gate.set()
        assert (await s.result(first)).outcome == "replied"


async def test_slots_are_saved_with_the_turn() -> None:
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        state.slots["count"] = state.slots.get("count", 0) + 1
        state.phase = "counting"
        yield str(state.slots["count"])

    async with stage(agent) as s:
        assert [(await s.ask(f"t{n}")).reply.text for n in range(3)] == ["1", "2", "3"]
        state = await s.state()
        assert (state.slots, state.phase, state.version) == ({"count": 3}, "counting", 4)


async def test_what_somebody_else_wrote_meanwhile_is_kept() -> None:
    runs, began, gate = 0, asyncio.Event(), asyncio.Event()

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        nonlocal runs
        runs += 1
        began.set()
        await gate.wait()
        state.slots["mine"] = 1
        yield "done"

    async with stage(agent) as s:
        pending = await s.submit("t1")
        await asyncio.wait_for(began.wait(), 30)
        state = await s.state()
        await s.dispatcher.memory.states.update_state(state.model_copy(update={"slots": {"theirs": 2}}))
        gate.set()
        assert (await s.result(pending)).outcome == "replied"
        assert (await s.state()).slots == {"mine": 1, "theirs": 2}
        assert (runs, len(await s.turns())) == (1, 1)


async def test_the_same_turn_many_times_at_once_is_run_once() -> None:
    runs = 0

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        nonlocal runs
        runs += 1
        yield "once"

    async with stage(agent) as s:
        results = await asyncio.gather(*(s.ask("t1") for _ in range(50)))
        assert {r.reply.text for r in results} == {"once"}
        assert runs == 1


async def test_tokens_come_as_they_are_spoken() -> None:
    gate = asyncio.Event()

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "one "
        await gate.wait()
        yield "two"

    async with stage(agent) as s:
        tokens = (await s.submit("t1", stream=True)).tokens()
        assert await asyncio.wait_for(anext(tokens), 30) == "one "
        gate.set()
        assert [token async for token in tokens] == ["two"]
        again = await s.submit("t1", stream=True)
        assert [token async for token in again.tokens()] == ["one two"]


async def test_leaving_lets_the_running_turn_finish() -> None:
    gate = asyncio.Event()

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "one "
        await gate.wait()
        yield "two"

    async with stage(agent) as s:
        pending = await s.submit("t1", stream=True)
        await speaks(pending)
        asyncio.get_running_loop().call_soon(gate.set)  # called when the dispatcher, on its way out, waits
    assert pending.result is not None
    assert pending.result.reply == Reply(text="one two")
