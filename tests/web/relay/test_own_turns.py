"""A relay session hears what it has not asked for: signals, and what people say and do by hand."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import CALL, Ingress
from support.relay import RelaySocket, new_ticket, relay_socket
from support.waiting import wait_until

from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.actions import Gather, SetSpeech, SetTimer
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn

LONG = "This is a story that takes some time to tell. " * 10
"""Half a minute of speech."""


class Teller:
    """An agent that says what its turns are about. A turn whose text begins with `wait` waits for `gate` first."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun: list[str] = []
        self.replies: dict[str, list[Any]] = {}

    async def __call__(self, turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        self.begun.append(turn.text)
        if turn.text.startswith("wait"):
            await self.gate.wait()
        for part in self.replies.get(turn.text, [f"<{turn.kind} {turn.text}>"]):
            if part is Ellipsis:
                await self.gate.wait()
            else:
                yield part


@pytest.fixture
def teller() -> Teller:
    return Teller()


@pytest.fixture
async def ingress(start_ingress, teller: Teller) -> AsyncIterator[Ingress]:
    async with start_ingress(agent=teller) as started:
        yield started


def set_overlap(ingress: Ingress, teller: Teller, overlap: Any) -> None:
    ingress.dispatcher.runner.agents = AgentTable(Agent("teller", teller, overlap=overlap, isolation="inline"))


async def post(ingress: Ingress, what: str, signal_id: str, **body: Any) -> dict[str, Any]:
    """Signal, say, transfer or hang up; the answer."""
    answer = await ingress.client.post(f"/calls/{CALL}/{what}", json={"signal_id": signal_id, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def signal(ingress: Ingress, name: str, **body: Any) -> dict[str, Any]:
    return await post(ingress, "signals", name, name=name, **body)


async def greeted(caller: RelaySocket) -> None:
    await caller.setup(CALL)
    assert await caller.reply() == "<started >"
    await spoken(caller)


async def spoken(caller: RelaySocket) -> None:
    """The provider has spoken all that it has."""
    await caller.send("info", name="agentSpeaking", value="off")


async def recorded(ingress: Ingress, text: str) -> TurnRecord:
    async def found() -> TurnRecord | None:
        state = await ingress.state()
        return next((record for record in state.turns if record.text == text), None) if state else None

    return await wait_until(found, f"{text} is recorded")


async def test_a_signal_is_heard(ingress: Ingress) -> None:
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        answer = await signal(ingress, "late")
        assert answer["reply"]["text"] == "<signal late>"
        assert answer["delivery"] == "relay"
        assert await caller.reply() == "<signal late>"
        assert await signal(ingress, "late") == answer
        await caller.prompt("one")
        assert await caller.reply() == "<speech one>"


async def test_a_timer_is_heard_by_a_silent_caller(ingress: Ingress, teller: Teller) -> None:
    teller.replies["one"] = ["Soon.", SetTimer("call back", 0.01)]
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await caller.prompt("one")
        assert await caller.reply() == "Soon."
        await spoken(caller)
        assert await caller.reply() == "<timer call back>"


async def test_what_a_person_says_and_does_is_carried_out(ingress: Ingress) -> None:
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await post(ingress, "say", "s1", text="The doctor is late.")
        assert await caller.reply() == "The doctor is late."
        await spoken(caller)
        await post(ingress, "hang-up", "s2", reason="closing time")
        end = await caller.frame()
        assert end["type"] == "end"
        assert json.loads(end["handoffData"])["reasonCode"] == "hang-up"


async def test_a_transfer_by_hand_ends_the_session(start_ingress, teller: Teller) -> None:
    async with start_ingress(agent=teller, dial_allow="+1555") as ingress, relay_socket(ingress.url) as caller:
        await greeted(caller)
        await post(ingress, "transfer", "s1", to="+15550100")
        handoff = json.loads((await caller.frame())["handoffData"])
        assert handoff["to"] == "+15550100"
        assert handoff["turn_id"] == "~signal-s1"


async def test_it_is_said_after_what_is_being_said(ingress: Ingress, teller: Teller) -> None:
    teller.replies["story"] = [LONG]
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await caller.prompt("story")
        assert await caller.reply() == LONG
        await signal(ingress, "late")
        await caller.send("interrupt", utteranceUntilInterrupt="This is a story", durationUntilInterruptMs=1000)
        await caller.prompt("enough")
        assert [await caller.reply(), await caller.reply()] == ["<signal late>", "<speech enough>"]
        story = await wait_until(lambda: heard_of(ingress, "story"), "it is known what was heard")
        assert story == "This is a story"
        assert (await recorded(ingress, "late")).heard is None


async def heard_of(ingress: Ingress, text: str) -> str | None:
    return (await recorded(ingress, text)).heard


async def test_it_is_said_at_once_when_the_provider_has_spoken(ingress: Ingress, teller: Teller) -> None:
    teller.replies["story"] = [LONG]
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await caller.prompt("story")
        assert await caller.reply() == LONG
        await signal(ingress, "late")
        await spoken(caller)
        assert await caller.reply() == "<signal late>"


async def test_the_caller_talks_over_it(ingress: Ingress, teller: Teller) -> None:
    teller.replies["late"] = [LONG]
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await signal(ingress, "late")
        assert await caller.reply() == LONG
        await caller.send("interrupt", utteranceUntilInterrupt="This is", durationUntilInterruptMs=300)
        await caller.prompt("enough")
        assert await caller.reply() == "<speech enough>"
        assert await heard_of(ingress, "late") == "This is"
        state = await ingress.state()
        assert state is not None
        interruption = next(record for record in state.turns if record.kind == "interrupted")
        assert interruption.text == "This is"


@pytest.mark.parametrize("overlap", ["enqueue", "interrupt"])
async def test_replies_are_said_in_the_order_of_the_turns(ingress: Ingress, teller: Teller, overlap: str) -> None:
    """A signal comes before words that the caller says while it waits, though their reply was awaited first."""
    set_overlap(ingress, teller, overlap)
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        waiting = asyncio.create_task(signal(ingress, "wait for it"))
        await wait_until(lambda: "wait for it" in teller.begun, "it runs")
        second = asyncio.create_task(signal(ingress, "second"))
        await wait_until(lambda: any(turn.text == "second" for turn in ingress.turns), "it waits")
        await caller.prompt("words")
        await wait_until(lambda: any(turn.text == "words" for turn in ingress.turns), "they wait")
        teller.gate.set()
        await asyncio.gather(waiting, second)
        said = [await caller.reply()]
        while said[-1] != "<speech words>":
            await spoken(caller)
            said.append(await caller.reply())
        # The caller has talked over what was running, if the agent stops then; not over what had not begun.
        first = ["<signal wait for it>"] if overlap == "enqueue" else []
        assert said == [*first, "<signal second>", "<speech words>"]


async def test_one_that_interrupts_is_said_at_once(ingress: Ingress, teller: Teller) -> None:
    teller.replies["story"] = ["Once upon ", ..., "a time."]
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await caller.prompt("story")
        assert (await caller.frame())["token"] == "Once upon "
        await signal(ingress, "fire", interrupt=True)
        assert await caller.frame() == {"type": "text", "token": "", "last": True}
        assert await caller.reply() == "<signal fire>"
        story = await recorded(ingress, "story")
        assert (story.heard_text, story.outcome) == ("Once upon ", "interrupted")
        await spoken(caller)
        await caller.prompt("thanks")
        assert await caller.reply() == "<speech thanks>"
    assert "silence" not in [turn.kind for turn in ingress.turns]


async def test_it_cuts_off_what_the_provider_may_preempt(ingress: Ingress, teller: Teller) -> None:
    teller.replies["story"] = [SetSpeech(preemptible=True), LONG]
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await caller.prompt("story")
        assert await caller.reply() == LONG
        await signal(ingress, "fire", interrupt=True)
        assert await caller.reply() == "<signal fire>"
        heard = await wait_until(lambda: noted_of(ingress, "story"), "it is noted")
        assert len(heard) < len(LONG)
        assert LONG.startswith(heard)


async def noted_of(ingress: Ingress, text: str) -> tuple[str, ...] | None:
    heard = await heard_of(ingress, text)
    return None if heard is None else (heard,)


async def test_it_does_not_change_how_the_answer_is_collected(ingress: Ingress, teller: Teller) -> None:
    teller.replies["code"] = ["Key in your code.", Gather(num_digits=4)]
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await caller.prompt("code")
        await caller.reply()
        await spoken(caller)
        await signal(ingress, "late")
        await caller.reply()
        for key in "12345":
            await caller.send("dtmf", digit=key)
        assert await caller.reply() == "<keys 1234>"


async def test_what_came_while_no_socket_was_open_is_said_over_the_next(ingress: Ingress, teller: Teller) -> None:
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await caller.prompt("one")
        await caller.reply()
    await wait_until(lambda: ingress.app.state.ingress.sessions.find(CALL) is None, "the session is over")
    await signal(ingress, "first")
    await signal(ingress, "second")
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, "VX2", customParameters={"lines": "0-1000"})
        assert [await caller.reply() for _ in range(3)] == ["<speech one>", "<signal first>", "<signal second>"]
        await spoken(caller)
        await signal(ingress, "third")
        assert await caller.reply() == "<signal third>"


async def test_a_caller_who_speaks_first_hears_what_came_meanwhile_all_the_same(ingress: Ingress) -> None:
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
    await wait_until(lambda: ingress.app.state.ingress.sessions.find(CALL) is None, "the session is over")
    await signal(ingress, "late")
    async with relay_socket(ingress.url) as caller:
        await caller.prompt("hello?")
        await caller.setup(CALL, "VX2", customParameters={"lines": "0-1000"})
        said = [await caller.reply()]
        while said[-1] != "<speech hello?>":
            said.append(await caller.reply())
    assert said == ["<signal late>", "<speech hello?>"]


async def test_a_hang_up_while_no_socket_was_open_is_carried_out_over_the_next(ingress: Ingress) -> None:
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
    await wait_until(lambda: ingress.app.state.ingress.sessions.find(CALL) is None, "the session is over")
    await post(ingress, "hang-up", "s2", reason="closing time")
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, "VX2", customParameters={"lines": "0-99999999999"})
        await caller.frame()
        assert caller.frames[-1]["type"] == "end"
        assert [frame for frame in caller.frames if frame.get("token")] == []


async def wait_behind_a_story(ingress: Ingress, teller: Teller, caller: RelaySocket) -> None:
    """A signal's reply waits for the end of a long one; the caller has said more meanwhile, and that is answered."""
    teller.replies["story"] = [LONG]
    await caller.prompt("story")
    assert await caller.reply() == LONG
    await signal(ingress, "news")
    await caller.prompt("go on")
    await recorded(ingress, "go on")


async def test_a_reply_that_waited_as_the_socket_was_lost_is_said_before_the_next_one(
    ingress: Ingress, teller: Teller
) -> None:
    async with relay_socket(ingress.url) as caller:
        await greeted(caller)
        await wait_behind_a_story(ingress, teller, caller)
    await wait_until(lambda: ingress.app.state.ingress.sessions.find(CALL) is None, "the session is over")
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, "VX2", customParameters={"lines": "0-1000"})
        assert [await caller.reply() for _ in range(2)] == ["<signal news>", "<speech go on>"]


async def test_a_reply_that_waited_as_the_socket_was_lost_is_said_over_the_one_that_replaces_it(
    start_ingress, teller: Teller
) -> None:
    async with start_ingress(agent=teller, voice_channel="relay") as ingress:
        ticket = await new_ticket(ingress.url, CALL, path="/twilio/voice")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            await caller.reply()
            await spoken(caller)
            await wait_behind_a_story(ingress, teller, caller)
            caller.connection.transport.abort()
        await wait_until(lambda: ingress.app.state.ingress.sessions.find(CALL) is None, "the loss is noticed")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            assert [await caller.reply() for _ in range(2)] == ["<signal news>", "<speech go on>"]
