"""A relay session knows which of its caller's words are sensitive: nobody tells the provider."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import CALL, Ingress, StartIngress
from support.relay import RelaySocket, new_ticket, relay_socket, ticket_in
from support.waiting import wait_until

from orchestrator.conversation.actions import Gather
from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.sensitive_turns.hiding import opened
from web.ingress import RelayTimeouts
from web.twilio.relay.tickets import read_ticket

CARD = "4242424242424242"
QUICK_KEYS = {"timeouts": {"relay": RelayTimeouts(key_pause=0.05, silence=0.05)}}


async def cashier(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Asks for a card number, and repeats everything that it hears."""
    if turn.kind == "started":
        yield "Your card number, please."
        yield Gather(sensitive=True, num_digits=16)
    elif turn.kind == "silence":
        yield "Are you there?"
    elif turn.kind != "ended":
        yield f"You said {turn.text}."


@pytest.fixture
async def ingress(start_ingress: StartIngress, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Ingress]:
    caplog.set_level(logging.DEBUG, "web")
    async with start_ingress(agent=cashier, voice_channel="relay", **QUICK_KEYS) as started:
        yield started
    logged = "\n".join(str(vars(record)) for record in caplog.get_records("call"))
    assert logged
    assert CARD not in logged


def brought(ingress: Ingress, turn: Turn) -> Turn:
    return opened(turn, sensitive_cipher(ingress.app.state.ingress.settings))


async def keyed(caller: RelaySocket, keys: str) -> None:
    for key in keys:
        await caller.send("dtmf", digit=key)


async def submitted(ingress: Ingress, kind: str, count: int = 1) -> Turn:
    """Return the last turn of this kind, once so many were submitted."""

    def turns() -> list[Turn]:
        return [turn for turn in ingress.turns if turn.kind == kind]

    await wait_until(lambda: len(turns()) >= count, f"{count} turns of kind {kind}")
    return turns()[-1]


def assert_hidden(ingress: Ingress, turn: Turn, text: str) -> None:
    assert CARD not in turn.model_dump_json()
    assert (turn.text, turn.digits, turn.sensitive) == (HIDDEN, "", True)
    assert brought(ingress, turn).text == text


@pytest.mark.parametrize("kind", ["keys", "speech"])
async def test_the_answer_to_a_sensitive_question_is_submitted_encrypted(ingress, kind):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await (keyed(caller, CARD) if kind == "keys" else caller.prompt(CARD))
        assert_hidden(ingress, await submitted(ingress, kind), CARD)


async def test_what_is_said_after_the_answer_was_answered_is_not_hidden(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.prompt(CARD)
        await caller.reply()
        await caller.prompt("that is all")
        assert (await submitted(ingress, "speech", 2)).text == "that is all"


async def test_silence_changes_nothing(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.send("dtmf", digit="#")
        assert await caller.reply() == "Are you there?"
        await caller.prompt(CARD)
        assert_hidden(ingress, await submitted(ingress, "speech"), CARD)


async def test_all_that_comes_before_the_answer_is_answered_is_hidden(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "started":
            yield "Your card number, please."
            yield Gather(sensitive=True)
        else:
            await gate.wait()
            yield "Thank you."

    async with start_ingress(agent=slow, voice_channel="relay") as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.prompt(CARD)
        assert_hidden(ingress, await submitted(ingress, "speech"), CARD)
        await caller.prompt("four two")
        assert_hidden(ingress, await submitted(ingress, "speech", 2), "four two")
        gate.set()


async def test_a_question_that_a_signal_brings_is_sensitive_too(start_ingress):
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Hello."
        if turn.kind == "signal":
            yield Gather(sensitive=True)

    async with start_ingress(agent=agent, voice_channel="relay") as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        answer = await ingress.client.post(f"/calls/{CALL}/signals", json={"name": "ask"})
        assert answer.json()["reply"]["actions"][-1]["sensitive"] is True
        await caller.reply()
        await caller.prompt(CARD)
        assert_hidden(ingress, await submitted(ingress, "speech"), CARD)


async def test_a_new_session_of_the_call_knows_it(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, "VX2")
        await caller.prompt(CARD)
        assert_hidden(ingress, await submitted(ingress, "speech"), CARD)


async def test_the_ticket_of_a_call_that_comes_back_says_it(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.send("dtmf", digit="#")
        await caller.reply()
    document = await ingress.twiml("/twilio/voice", ErrorCode="11200")
    ticket = read_ticket(ingress.app.state.ingress.seal, ticket_in(document))
    assert ticket is not None
    assert ticket.sensitive


async def test_events_that_the_provider_repeats_after_a_reconnection_are_recognised(ingress):
    ticket = await new_ticket(ingress.url, CALL)
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket)
        await caller.reply()
        await caller.prompt(CARD)
        await submitted(ingress, "speech")
        await caller.reply()
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket)
        await caller.prompt(CARD)
        await caller.prompt("that is all")
        last = await submitted(ingress, "speech", 2)
    assert last.text == "that is all"
    assert len([turn for turn in ingress.turns if turn.kind == "speech"]) == 2


async def test_what_the_caller_heard_of_a_reply_that_repeats_it_is_hidden(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.prompt(CARD)
        said = await caller.reply()
        await caller.send("interrupt", utteranceUntilInterrupt=said[:14], durationUntilInterruptMs=10)
        turn = await submitted(ingress, "interrupted")
        assert said[:14] not in turn.model_dump_json()
        assert brought(ingress, turn).text == said[:14]


async def test_a_providers_complaint_that_quotes_our_frame_is_not_logged(ingress, caplog):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.prompt(CARD)
        await caller.reply()
        await caller.send("error", description=f"Invalid message received: {CARD}")
        await wait_until(lambda: "The provider reports an error" in caplog.text, "it is logged")


async def test_malformed_keys_and_words_are_not_logged(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.send("dtmf", digit=CARD)
        await caller.send("prompt", voicePrompt={"text": CARD})
        await caller.raw(CARD)
        await caller.send(CARD)
        await caller.prompt("go on")
        await submitted(ingress, "speech")


async def test_keys_of_a_lost_socket_are_submitted_encrypted(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await keyed(caller, CARD[:8])
    assert_hidden(ingress, await submitted(ingress, "keys"), CARD[:8])
