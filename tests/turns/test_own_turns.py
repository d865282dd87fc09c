"""Turns that no caller's words began: what they do to a running turn, and what becomes of their replies."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent, Overlap, Part
from orchestrator.conversation.actions import CancelTimer, HangUp, SendMessage, SetTimer, StartActivity
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import OWN_PREFIX, Turn, TurnKind
from orchestrator.errors import CallEnded
from orchestrator.schedule.limits import MOST_ACTIVITIES, MOST_MESSAGES, MOST_TIMERS
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.turns.bounds import MOST_BYTES
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.messages import Arrival, Settled, arrival_message, read_arrival
from orchestrator.turns.outcome import APOLOGY
from orchestrator.turns.runner import TurnRunner
from orchestrator.turns.unheard import unheard

SID = "CA1"
Answer = Callable[[Turn, ConversationState], AsyncIterator[Part]]


class Call:
    """A call over webhooks whose turns an agent of one function runs."""

    def __init__(self, host: AgentHost, answer: Answer, *, channel: str = "gather", overlap: Overlap | None = None):
        self.states = InMemoryStateManager()
        self.results: dict[str, TurnResult] = {}
        self.store = InMemoryTurnStore(self.states, deliver=self._deliver, notify=lambda it: self.runner.arrived(it))
        agent = Agent("tested", answer, isolation="inline", speech_filter=False, overlap=overlap)
        self.runner = TurnRunner(self.store, agent, host, agent_timeout_seconds=60)
        self.channel = channel

    def _deliver(self, message: object) -> None:
        if isinstance(message, Settled):
            self.results[message.result.turn_id] = message.result

    async def submit(self, turn_id: str, kind: TurnKind = "speech", **fields: Any) -> None:
        turn = Turn(turn_id=turn_id, call_sid=SID, kind=kind, **fields)
        await self.store.submit(turn, opening={"channel": self.channel})

    async def run(self) -> None:
        await self.runner.run(await self.store.claim(SID, "here"))

    async def turn(self, turn_id: str, kind: TurnKind = "speech", **fields: Any) -> TurnRecord:
        await self.submit(turn_id, kind, **fields)
        await self.run()
        return await self.record(turn_id)

    async def state(self) -> ConversationState:
        state = await self.states.get_state(SID)
        assert state is not None
        return state

    async def record(self, turn_id: str) -> TurnRecord:
        record = (await self.state()).record_of(turn_id)
        assert record is not None
        return record


@pytest.fixture
async def host() -> AsyncIterator[AgentHost]:
    async with AgentHost() as host:
        yield host


async def echo(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    yield f"{turn.kind} {turn.text}".strip()


def said(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


async def test_the_replies_to_own_turns_go_before_the_next_webhooks(host: AgentHost) -> None:
    call = Call(host, echo)
    await call.turn("start", "started")
    await call.turn("~signal-a", "signal", text="a")
    await call.turn("~signal-b", "signal", text="b")
    record = await call.turn("turn-1", text="hello")
    assert said(record.preceding) == ["signal a", "signal b"]
    assert call.results["turn-1"].preceding == record.preceding
    assert (await call.turn("turn-2", text="more")).preceding == []


async def test_a_silence_that_needs_no_answer_takes_what_is_unheard_and_asks_nobody(host: AgentHost) -> None:
    call = Call(host, echo)
    await call.turn("start", "started")
    await call.turn("~signal-a", "signal", text="a")
    fetched = await call.turn("turn-1", "silence", given_reply=Reply())
    again = await call.turn("turn-2", "silence", given_reply=Reply())
    assert [(said(record.preceding), record.reply.text) for record in (fetched, again)] == [
        (["signal a"], ""),
        ([], ""),
    ]


async def test_a_silence_is_answered_by_what_is_unsaid_and_the_agent_does_not_see_it(host: AgentHost) -> None:
    call = Call(host, echo)
    await call.turn("start", "started")
    await call.turn("~signal-a", "signal", text="a")
    first, second = await call.turn("turn-1", "silence"), await call.turn("turn-2", "silence")
    assert (said(first.preceding), first.reply.text) == (["signal a"], "")
    assert (second.preceding, second.reply.text) == ([], "silence")


@pytest.mark.parametrize("channel", ["relay", "api"])
async def test_other_channels_hear_own_turns_at_once(host: AgentHost, channel: str) -> None:
    call = Call(host, echo, channel=channel)
    await call.turn("start", "started")
    await call.turn("~signal-a", "signal", text="a")
    record = await call.turn("turn-1", "silence")
    assert (record.preceding, record.reply.text) == ([], "silence")


async def test_what_asks_for_nothing_but_later_is_not_unsaid(host: AgentHost) -> None:
    async def quiet(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield SetTimer("again", 60) if turn.kind == "signal" else turn.kind

    call = Call(host, quiet)
    await call.turn("start", "started")
    await call.turn("~signal-a", "signal", text="a")
    assert (await call.turn("turn-1", "silence")).reply.text == "silence"


async def test_a_person_answers_in_place_of_the_agent(host: AgentHost) -> None:
    call = Call(host, echo)
    await call.turn("start", "started")
    given = Reply(text="The doctor is late.", actions=[HangUp(reason="by hand")])
    record = await call.turn("~signal-a", "signal", text="hang-up", given_reply=given)
    assert (record.outcome, record.reply) == ("replied", given)
    ended = (await call.state()).ended
    assert ended is not None


@pytest.mark.parametrize("overlap", ["enqueue", "interrupt", "merge", "reject"])
@pytest.mark.parametrize("interrupts", [False, True])
async def test_an_own_turn_waits_behind_the_running_one_unless_it_interrupts(
    host: AgentHost, overlap: Overlap, interrupts: bool
) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        if turn.kind == "speech":
            yield SetTimer("kept", 60)
            begun.set()
            await goes_on.wait()
        yield turn.kind

    call = Call(host, slow, overlap=overlap)
    await call.submit("turn-1", text="hello")
    running = asyncio.create_task(call.run())
    await begun.wait()
    await call.submit("~signal-a", "signal", text="a", interrupt=interrupts)
    goes_on.set()
    await running
    first, second = await call.record("turn-1"), await call.record("~signal-a")
    assert (first.outcome, second.outcome) == ("interrupted" if interrupts else "replied", "replied")
    assert second.text == "a"
    assert list((await call.state()).timers) == ["kept"]


async def test_a_timer_that_was_taken_back_while_its_turn_waited_is_dropped(host: AgentHost) -> None:
    seen = []

    async def cancelling(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        seen.append(turn.kind)
        yield SetTimer("t", 0) if turn.kind == "started" else CancelTimer("t")

    call = Call(host, cancelling)
    await call.turn("start", "started")
    timer = (await call.state()).timers["t"].turn_id
    await call.submit("turn-1", text="stop")
    await call.submit(timer, "timer", text="t")
    await call.run()
    assert (await call.record(timer)).outcome == "dropped"
    assert seen == ["started", "speech"]


async def test_the_turn_of_a_timer_settles_it(host: AgentHost) -> None:
    async def timed(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield SetTimer("t", 0, {"a": 1}) if turn.kind == "started" else f"{turn.kind} {turn.text} {turn.data}"

    call = Call(host, timed)
    await call.turn("start", "started")
    timer = (await call.state()).timers["t"]
    assert timer.turn_id.startswith(OWN_PREFIX)
    record = await call.turn(timer.turn_id, "timer", text="t", data=timer.data)
    assert (record.reply.text, record.data) == ("timer t {'a': 1}", {"a": 1})
    assert (await call.state()).timers == {}


LOOK_UP = StartActivity("calendar:look_up", name="look up")


@pytest.mark.parametrize(
    "asked",
    [
        [LOOK_UP, LOOK_UP],
        [SetTimer(str(number), 1) for number in range(MOST_TIMERS + 1)],
        [StartActivity("a:b", name=str(number)) for number in range(MOST_ACTIVITIES + 1)],
        [SendMessage("+15551230000", str(number)) for number in range(MOST_MESSAGES + 1)],
    ],
    ids=["a name twice", "timers", "activities", "messages"],
)
async def test_who_asks_for_too_much_gets_nothing_of_it(host: AgentHost, asked: list[Any]) -> None:
    async def asking(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        for action in asked:
            yield action

    call = Call(host, asking)
    record = await call.turn("turn-1")
    assert (record.outcome, record.reply.text, record.reply.actions) == ("failed", APOLOGY, [])
    assert "ScheduleRefused" in record.reason
    state = await call.state()
    assert (state.timers, state.activities) == ({}, {})


async def test_a_second_activity_of_a_live_name_fails_the_turn_and_the_first_goes_on(host: AgentHost) -> None:
    async def starting(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield LOOK_UP

    call = Call(host, starting)
    await call.turn("turn-1")
    running = (await call.state()).activities["look up"]
    assert (await call.turn("turn-2")).outcome == "failed"
    assert (await call.state()).activities == {"look up": running}
    again = await call.turn(running.turn_id, "activity", text="look up", data={"result": 1})
    assert again.outcome == "replied"


def test_the_notice_of_an_arrival_says_that_it_interrupts() -> None:
    for interrupts in (False, True):
        turn = Turn(turn_id="~signal-a", call_sid=SID, kind="signal", text="a", interrupt=interrupts)
        assert read_arrival(arrival_message(turn)) == Arrival.of(turn)
        assert Arrival.of(turn).is_interrupting is interrupts


async def test_what_is_unheard_leaves_room_for_the_reply_that_it_precedes(host: AgentHost) -> None:
    async def talkative(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield "a" * 30_000 if turn.kind == "signal" else turn.kind

    call = Call(host, talkative)
    await call.turn("start", "started")
    for number in range(40):
        if (await call.state()).ended is None:
            await call.turn(f"~signal-{number}", "signal")
    with suppress(CallEnded):
        await call.turn("turn-1", text="hello")
    state = await call.state()
    assert state.ended is not None
    assert len(unheard(state)) > 10
    assert len(state.model_dump_json()) <= MOST_BYTES / 2 + 100_000


async def test_a_timer_does_not_hide_words_that_arrived_just_before_the_turn_they_interrupt(host: AgentHost) -> None:
    async def endless(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield "Well."
        if turn.kind == "speech":
            await asyncio.Event().wait()

    call = Call(host, endless, channel="relay")
    await call.turn("start", "started")
    await call.submit("t1", text="hello")
    call.runner.arrived(Arrival(SID, "t2", "speech", ""))
    call.runner.arrived(Arrival(SID, "~timer-1", "timer", ""))
    async with asyncio.timeout(30):
        await call.run()
    assert (await call.record("t1")).outcome == "interrupted"
