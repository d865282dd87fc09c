"""Barge-in: the agent stops when the caller speaks, and the state keeps what the caller heard."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import CALL
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from web.ingress import RelayTimeouts

HEARD = "Life is a"


class Talker:
    """Begin to answer, and continue when the gate opens."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.cancelled: list[str] = []

    async def reply(self, turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "started":
            yield "Hello!"
            return
        if turn.text != "life?":
            yield f"{turn.kind} {turn.text}."
            return
        yield "Life is a complex set of "
        try:
            await self.go_on.wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.append(turn.turn_id)
            raise
        yield "things."


@pytest.fixture
def talker() -> Talker:
    return Talker()


async def asked_about_life(caller) -> None:
    await caller.setup(CALL)
    await caller.reply()
    await caller.prompt("life?")
    assert (await caller.frame())["token"] == "Life is a complex set of "


async def test_an_interruption_cancels_the_agent_and_keeps_what_was_heard(start_ingress, talker):
    async with start_ingress(agent=talker.reply) as ingress, relay_socket(ingress.url) as caller:
        await asked_about_life(caller)
        await caller.send("interrupt", utteranceUntilInterrupt=HEARD, durationUntilInterruptMs="460")
        await wait_until(lambda: talker.cancelled, "the agent was cancelled")
        talker.go_on.set()
        await caller.prompt("and death?")
        assert await caller.reply() == "speech and death?."
        state = await ingress.state()
    cut = state.record_of("VX1-1")
    assert (cut.outcome, cut.heard_text, cut.reply.text) == ("interrupted", HEARD, HEARD)
    assert [turn.kind for turn in state.turns] == ["started", "speech", "interrupted", "speech"]
    assert "things." not in "".join(frame.get("token", "") for frame in caller.frames)


async def test_what_was_heard_is_noted_though_the_reply_was_complete(start_ingress, talker):
    async with start_ingress(agent=talker.reply) as ingress, relay_socket(ingress.url) as caller:
        talker.go_on.set()
        await caller.setup(CALL)
        await caller.reply()
        await caller.prompt("life?")
        await caller.reply()
        await caller.send("interrupt", utteranceUntilInterrupt=HEARD, durationUntilInterruptMs=460)
        await caller.send("interrupt", utteranceUntilInterrupt="again", durationUntilInterruptMs=500)
        await caller.prompt("yes?")
        assert await caller.reply() == "speech yes?."
        state = await ingress.state()
    assert state.record_of("VX1-1").heard == HEARD
    assert [turn.kind for turn in state.turns] == ["started", "speech", "interrupted", "speech"]


async def test_a_reply_that_was_spoken_to_its_end_cannot_be_interrupted(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.send("info", name="agentSpeaking", value="off")
        await caller.send("interrupt", utteranceUntilInterrupt="", durationUntilInterruptMs=0)
        await caller.prompt("well")
        assert await caller.reply() == "You said well."
        state = await ingress.state()
    assert state.record_of("start").heard_text == "Hello!"
    assert [turn.kind for turn in state.turns] == ["started", "speech"]


async def test_the_end_of_one_reply_is_not_taken_for_that_of_the_next_one(start_ingress, talker):
    async with start_ingress(agent=talker.reply) as ingress, relay_socket(ingress.url) as caller:
        await asked_about_life(caller)
        await caller.send("info", name="agentSpeaking", value="off")  # the greeting's
        await caller.send("interrupt", utteranceUntilInterrupt=HEARD, durationUntilInterruptMs=460)
        await wait_until(lambda: talker.cancelled, "the agent was cancelled")
        await caller.prompt("and death?")
        await caller.reply()
        state = await ingress.state()
    assert state.record_of("VX1-1").heard == HEARD


async def test_nothing_heard_is_nothing_heard(start_ingress, talker):
    async with start_ingress(agent=talker.reply) as ingress, relay_socket(ingress.url) as caller:
        await asked_about_life(caller)
        await caller.send("interrupt", utteranceUntilInterrupt="", durationUntilInterruptMs=0)
        await caller.prompt("stop")
        assert await caller.reply() == "speech stop."
        state = await ingress.state()
    assert state.record_of("VX1-1").heard_text == ""
    assert state.record_of("start").heard_text == "Hello!"


async def test_new_words_cut_off_a_reply_that_still_grows(start_ingress, talker):
    async with start_ingress(agent=talker.reply) as ingress, relay_socket(ingress.url) as caller:
        await asked_about_life(caller)
        await caller.prompt("never mind")
        assert await caller.reply() == ""  # the end of the first reply
        assert await caller.reply() == "speech never mind."
        state = await ingress.state()
    assert [turn.outcome for turn in state.turns] == ["replied", "interrupted", "replied"]


async def test_an_agent_that_finishes_first_is_heard_to_its_end(start_ingress, talker):
    async with start_ingress(agent=talker.reply) as ingress, relay_socket(ingress.url) as caller:
        runner = ingress.dispatcher.runner
        runner.agents = AgentTable(Agent("patient", talker.reply, overlap="enqueue", isolation="inline"))
        await asked_about_life(caller)
        await caller.prompt("never mind")
        await wait_until(lambda: len(ingress.turns) == 3, "the second prompt is in the inbox")
        talker.go_on.set()
        assert await caller.reply() == "things."
        assert await caller.reply() == "speech never mind."


async def test_an_agent_with_interruptions_answers_an_interruption(start_ingress, talker):
    async with start_ingress(agent=talker.reply) as ingress, relay_socket(ingress.url) as caller:
        runner = ingress.dispatcher.runner
        runner.agents = AgentTable(Agent("keen", talker.reply, interruptions=True, isolation="inline"))
        await asked_about_life(caller)
        await caller.send("interrupt", utteranceUntilInterrupt=HEARD, durationUntilInterruptMs=460)
        assert await caller.reply() == f"interrupted {HEARD}."


async def test_an_interruption_without_words_becomes_silence(start_ingress, talker):
    brief = {"relay": RelayTimeouts(silence=0.05)}
    async with start_ingress(agent=talker.reply, timeouts=brief) as ingress, relay_socket(ingress.url) as caller:
        await asked_about_life(caller)
        await caller.send("interrupt", utteranceUntilInterrupt=HEARD, durationUntilInterruptMs=460)
        assert await caller.reply() == "silence ."


async def test_a_hang_up_in_mid_reply_cancels_the_agent(start_ingress, talker):
    async with start_ingress(agent=talker.reply) as ingress:
        async with relay_socket(ingress.url) as caller:
            await asked_about_life(caller)
        await ingress.post("/twilio/relay/ended", SessionStatus="completed", CallStatus="completed")
        await wait_until(lambda: talker.cancelled, "the agent was cancelled")

        async def over() -> ConversationState | None:
            state = await ingress.state()
            return state if state.ended is not None else None

        state = await wait_until(over, "the call has ended")
    assert state.record_of("VX1-1").heard_text == "Life is a complex set of "
    assert [turn.outcome for turn in state.turns] == ["replied", "interrupted", "replied"]
