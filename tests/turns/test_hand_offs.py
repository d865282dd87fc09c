"""An agent hands the call to another one in the same turn: one reply, one record, one commit."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent, Isolation, Overlap, Part
from orchestrator.agents.reply_run import MOST_HAND_OFFS, seen_turns
from orchestrator.conversation.actions import HandOff, HangUp, SetLanguage
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.process_metrics import catalog
from orchestrator.process_metrics.catalog import counts_of
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_turns import a_turn, claimed
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.messages import Arrival, Settled
from orchestrator.turns.outcome import APOLOGY, note_what_was_heard
from orchestrator.turns.runner import TurnRunner

Reply = Callable[[Turn, ConversationState], AsyncIterator[Part]]

OVERLAPS: dict[str, Overlap] = {"reception": "enqueue", "billing": "reject"}


class Desk:
    """A runner whose agents are functions, by name; the call CA1 begins with `first`."""

    def __init__(
        self, host: AgentHost, first: str = "reception", isolation: Isolation = "inline", **agents: Reply
    ) -> None:
        self.states = InMemoryStateManager()
        self.results: dict[str, TurnResult] = {}
        self.store = InMemoryTurnStore(self.states, deliver=self._deliver)
        made = {name: Agent(name, reply, isolation=isolation, speech_filter=False) for name, reply in agents.items()}
        settings = {name: {"name": name} for name in agents}
        agents = AgentTable(Agent("default", nobody, isolation="inline"), made, settings)
        self.runner = TurnRunner(self.store, agents, host, agent_timeout_seconds=60)
        self.opening = {"agent": first, "channel": "relay", "phase": "old"}

    async def turn(self, turn_id: str = "t1", text: str = "hello", *, stream: bool = False) -> TurnRecord:
        """Submit words and run them; the record."""
        await self.store.submit(a_turn(turn_id, text=text), opening=self.opening, stream=stream)
        await self.runner.run(await claimed(self.store))
        record = (await self.state()).record_of(turn_id)
        assert record is not None
        return record

    def _deliver(self, message: object) -> None:
        if isinstance(message, Settled):
            self.results[message.result.turn_id] = message.result

    async def state(self) -> ConversationState:
        state = await self.states.get_state("CA1")
        assert state is not None
        return state


@pytest.fixture
async def host():
    async with AgentHost() as host:
        yield host


async def nobody(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    yield "I am nobody."


async def reception(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    state.slots["asked"] = turn.text
    state.phase = "asking"
    yield "One moment. "
    yield HandOff("billing", note="about an invoice")
    yield "This is not said."
    state.slots["after"] = True


async def billing(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    seen = [turn.kind, turn.text, turn.idempotency_key, state.phase, state.settings, state.agent]
    state.slots["seen"] = seen
    state.phase = "paying"
    yield "Billing here."


@pytest.mark.parametrize("isolation", ["inline", "thread"])
async def test_the_caller_hears_one_reply_of_both_agents(host: AgentHost, isolation: Isolation) -> None:
    desk = Desk(host, isolation=isolation, reception=reception, billing=billing)
    record, state = await desk.turn(), await desk.state()
    assert (record.outcome, record.kind, record.text) == ("replied", "speech", "hello")
    assert record.reply.text == "One moment. Billing here."
    [hand_off] = record.reply.actions
    assert isinstance(hand_off, HandOff)
    assert (hand_off.agent, hand_off.at, record.agent) == ("billing", len("One moment. "), "reception")
    assert (state.agent, state.phase, state.version) == ("billing", "paying", 2)
    seen = ["handed_off", "about an invoice", "CA1/t1/h1", "", {"name": "billing"}, "billing"]
    assert state.slots == {"asked": "hello", "after": True, "seen": seen}
    assert "settings" not in state.model_dump()
    assert (await desk.turn("t2")).reply.text == "Billing here."
    assert (await desk.state()).slots["seen"][:3] == ["speech", "hello", "CA1/t2"]


async def test_the_second_agent_may_hand_the_call_back(host: AgentHost) -> None:
    async def back(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        if turn.idempotency_key.endswith("/h2"):
            yield "Here I am again."
            yield HangUp()
            return
        yield "Over. "
        yield HandOff("billing")

    async def gives_back(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield "And back. "
        yield HandOff("reception")

    desk = Desk(host, reception=back, billing=gives_back)
    record, state = await desk.turn(), await desk.state()
    assert record.reply.text == "Over. And back. Here I am again."
    assert [action.type for action in record.reply.actions] == ["hand_off", "hand_off", "hang_up"]
    assert (state.agent, state.ended is not None) == ("reception", True)


async def test_who_hands_the_call_on_for_ever_is_stopped(host: AgentHost) -> None:
    async def forever(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        state.slots["runs"] = state.slots.get("runs", 0) + 1
        yield "On. "
        yield HandOff("billing" if state.agent == "reception" else "reception")

    desk = Desk(host, reception=forever, billing=forever)
    record, state = await desk.turn(), await desk.state()
    assert (record.outcome, state.agent, state.slots, state.phase) == ("failed", "reception", {}, "old")
    assert record.reply.text == "On. " * MOST_HAND_OFFS + "On. " + APOLOGY
    assert record.reply.actions == []


@pytest.mark.parametrize("second", ["raises", "nobody"])
async def test_if_the_second_agent_fails_the_first_keeps_the_call(
    host: AgentHost, caplog: pytest.LogCaptureFixture, second: str
) -> None:
    async def first(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield "One moment. "
        yield HandOff(second)

    async def raises(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield "I will"
        raise OSError

    desk = Desk(host, reception=first, raises=raises)
    record, state = await desk.turn(), await desk.state()
    assert (record.outcome, state.agent, state.phase) == ("failed", "reception", "old")
    assert record.reply.text.startswith("One moment.")
    assert record.reply.text.endswith(APOLOGY)
    [line] = [line for line in caplog.records if line.levelno == logging.ERROR]
    assert line.__dict__["action"] == "agent.failed"
    if second == "raises":
        assert line.__dict__["agent"] == "raises"
    else:
        unknown = "The agent handed the call to 'nobody', which the routes do not name"
        assert line.getMessage() == f"{unknown}; the caller hears an apology"


@pytest.mark.parametrize(("heard", "agent", "phase"), [
    ("One mo", "reception", "asking"),
    ("One moment. ", "reception", "asking"),
    ("One moment. Bil", "billing", "paying"),
])  # fmt: skip
async def test_cut_off_the_agent_who_was_heard_last_has_the_call(
    host: AgentHost, heard: str, agent: str, phase: str
) -> None:
    speaks, never = asyncio.Event(), asyncio.Event()

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        state.phase = "paying"
        yield "Billing here. "
        speaks.set()
        await never.wait()
        yield "More."

    desk = Desk(host, reception=reception, billing=slow)
    turning = asyncio.create_task(desk.turn(stream=True))
    async with asyncio.timeout(60):
        await speaks.wait()
        desk.runner.running["CA1"].stop("interrupted", heard)
        record = await turning
    state = await desk.state()
    assert (record.outcome, record.heard) == ("interrupted", heard)
    assert (state.agent, state.phase) == (agent, phase)
    assert len(record.reply.actions) == (agent == "billing")
    assert state.slots["asked"] == "hello", "what the agents did until then holds"


@pytest.mark.parametrize(("heard", "agent"), [("One mo", "reception"), ("One moment. Bil", "billing")])
async def test_what_is_heard_to_have_been_cut_off_later_counts_as_well(host: AgentHost, heard: str, agent: str) -> None:
    desk = Desk(host, reception=reception, billing=billing)
    await desk.turn()
    state = note_what_was_heard(await desk.state(), heard, "t1")
    phase = "paying" if agent == "billing" else "asking"
    assert (state.agent, state.phase, state.turns[0].outcome) == (agent, phase, "interrupted")
    assert len(state.turns[0].reply.actions) == (agent == "billing")
    later = (await desk.state()).model_copy(update={"agent": "sales"})
    assert note_what_was_heard(later, heard, "t1").agent == "sales", "it was handed on since"


@pytest.mark.parametrize(("heard", "speaks", "phase"), [
    ("One mo", "One moment. Billing here.", "asking"),
    ("One moment. Bil", "Billing here.", "paying"),
])  # fmt: skip
async def test_after_an_interruption_that_comes_late_whoever_was_heard_last_gets_the_next_turn(
    host: AgentHost, heard: str, speaks: str, phase: str
) -> None:
    desk = Desk(host, reception=reception, billing=billing)
    await desk.turn("t1")
    await desk.store.submit(a_turn("i1", kind="interrupted", text=heard))
    await desk.runner.run(await claimed(desk.store))
    assert (await desk.state()).phase == phase
    assert (await desk.turn("t2")).reply.text == speaks


async def test_what_was_heard_of_a_lost_run_before_does_not_count(host: AgentHost) -> None:
    desk = Desk(host, reception=reception, billing=billing)
    await desk.turn()
    lost = "Just a second, please. "
    state = note_what_was_heard(await desk.state(), lost + "One moment. ", "t1")
    assert (state.agent, state.turns[0].reply.actions) == ("reception", [])
    state = note_what_was_heard(await desk.state(), lost + "One moment. Bil", "t1")
    assert (state.agent, state.turns[0].reply.actions[0].at) == ("billing", len(lost + "One moment. "))  # type: ignore[union-attr]


@pytest.mark.parametrize("at", [0, len("One moment. ")])
async def test_who_heard_nothing_but_a_lost_run_was_handed_to_nobody(host: AgentHost, at: int) -> None:
    async def first(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        if at:
            yield "One moment. "
        yield HandOff("billing")

    desk = Desk(host, reception=first, billing=billing)
    await desk.turn()
    heard = "Just a second, please. I am looking for somebody"
    state = note_what_was_heard(await desk.state(), heard, "t1")
    assert (state.agent, state.turns[0].reply.actions) == ("reception", [])


async def test_what_was_before_a_hand_off_without_history_is_not_seen(host: AgentHost) -> None:
    counts: list[list[str]] = []

    async def first(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield "Over. "
        if turn.text == "go":
            yield HandOff("billing", note="fresh", history="none")

    async def second(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        counts.append([f"{record.kind}:{record.text}:{record.reply.text}" for record in state.turns])
        yield "Billing."

    desk = Desk(host, reception=first, billing=second)
    await desk.turn("t1", "secret")
    await desk.turn("t2", "go")
    await desk.turn("t3", "more")
    assert counts == [[], ["handed_off:fresh:Billing."]]
    state = await desk.state()
    assert [record.text for record in state.turns] == ["secret", "go", "more"], "the state keeps all"
    assert [record.text for record in seen_turns(state.turns)] == ["fresh", "more"]


async def test_the_second_agent_sees_what_was_said_in_this_turn(host: AgentHost) -> None:
    seen: list[tuple[str, str, str]] = []

    async def second(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        seen.extend((record.kind, record.text, record.reply.text) for record in state.turns)
        yield "Billing."

    desk = Desk(host, reception=reception, billing=second)
    record = await desk.turn(text="my invoice is wrong")
    assert seen == [("speech", "my invoice is wrong", "One moment. ")]
    assert record.reply.text == "One moment. Billing."
    assert len((await desk.state()).turns) == 1


async def test_what_the_second_agent_sets_stays_behind_its_hand_off_when_it_is_cut_off(host: AgentHost) -> None:
    speaks, never = asyncio.Event(), asyncio.Event()

    async def swedish(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield SetLanguage(speech="sv-SE")
        yield "Hej. "
        speaks.set()
        await never.wait()
        yield "More."

    desk = Desk(host, reception=reception, billing=swedish)
    turning = asyncio.create_task(desk.turn(stream=True))
    async with asyncio.timeout(60):
        await speaks.wait()
        desk.runner.running["CA1"].stop("interrupted")
        record = await turning
    assert [action.type for action in record.reply.actions] == ["hand_off", "set_language"]
    noted = note_what_was_heard(await desk.state(), "One moment. Hej", "t1")
    assert [action.type for action in noted.turns[0].reply.actions] == ["hand_off", "set_language"]


async def test_while_the_second_agent_speaks_its_own_overlap_counts(host: AgentHost) -> None:
    speaks, never = asyncio.Event(), asyncio.Event()

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield "Billing here. "
        speaks.set()
        await never.wait()
        yield "More."

    desk = Desk(host, reception=reception, billing=slow)
    named = desk.runner.agents.named
    patient, strict = (replace(named[name], overlap=overlap) for name, overlap in OVERLAPS.items())
    desk.runner.agents = replace(desk.runner.agents, named={"reception": patient, "billing": strict})
    turning = asyncio.create_task(desk.turn(stream=True))
    async with asyncio.timeout(60):
        await speaks.wait()
        assert desk.runner.arrived(Arrival("CA1", "t2", "speech", "and now")), "the second one rejects what comes"
        desk.runner.running["CA1"].stop("interrupted", "One moment. Bil")
        assert (await turning).overlap is None
    assert desk.results["t1"].overlap == "reject"


async def test_a_call_that_is_over_is_not_handed_on(host: AgentHost) -> None:
    desk = Desk(host, reception=reception, billing=billing)
    await desk.store.submit(a_turn("t1", kind="ended", text="completed"), opening=desk.opening)
    await desk.runner.run(await claimed(desk.store))
    state = await desk.state()
    assert (state.agent, state.slots) == ("reception", {"asked": "completed", "after": True})
    assert state.turns[0].reply.actions == []
    assert state.ended is not None


async def test_each_agent_of_a_turn_counts_as_a_run_of_its_own(host: AgentHost) -> None:
    desk = Desk(host, reception=reception, billing=billing)
    before = counts_of([catalog.AGENT_RUN_SECONDS])
    await desk.turn()
    after = counts_of([catalog.AGENT_RUN_SECONDS])
    changed = {key for key, amount in after.items() if before.get(key) != amount}
    assert any("reception" in str(key) and "handed_off" in str(key) for key in changed)
    assert any("billing" in str(key) and "replied" in str(key) for key in changed)


async def test_an_agent_that_nobody_knows_is_answered_for_by_the_default_one(
    host: AgentHost, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(host, first="gone", reception=reception)
    await desk.store.submit(a_turn("t1"), opening={"agent": "gone"})
    for attempt in range(1, 4):
        claim = await claimed(desk.store)
        assert claim.attempt == attempt
        await desk.runner.run(claim)
    state = await desk.state()
    assert (state.turns[0].reply.text, state.agent) == ("I am nobody.", "gone")
    levels = [
        (line.__dict__["action"], line.levelname)
        for line in caplog.records
        if "unknown" in line.__dict__.get("action", "")
    ]
    assert levels == [("turn.agent_unknown", "WARNING")] * 2 + [("agent.unknown", "ERROR")]


async def test_without_routes_a_call_cannot_be_handed_over(host: AgentHost) -> None:
    states = InMemoryStateManager()
    store = InMemoryTurnStore(states)
    runner = TurnRunner(store, Agent("alone", reception, isolation="inline"), host, agent_timeout_seconds=60)
    await store.submit(a_turn("t1"), opening={})
    await runner.run(await claimed(store))
    state: Any = await states.get_state("CA1")
    assert (state.turns[0].outcome, state.agent) == ("failed", "")
