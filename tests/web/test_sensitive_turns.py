"""What callers and clients bring in sensitive turns leaves the handlers of the ingress encrypted."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest
from support.ingress import QUICK, Ingress, StartIngress, redirect_of, said
from support.waiting import wait_until

from orchestrator.conversation.actions import Gather
from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable, TurnRejected
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.sensitive_turns.hiding import is_lost, opened
from orchestrator.settings import Settings
from orchestrator.turns.progress import progress_of

CARD = "4242424242424242"
SPOKEN = "four two four two"


async def cashier(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Asks for a card number until it has one."""
    if turn.has_words:
        yield "Thank you."
    else:
        yield "Your card number, please."
        yield Gather(sensitive=True)


@pytest.fixture
async def ingress(start_ingress: StartIngress, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Ingress]:
    caplog.set_level(logging.DEBUG)
    async with start_ingress(agent=cashier) as started:
        yield started
    logged = "\n".join(str(vars(record)) for record in caplog.get_records("call"))
    assert logged
    assert CARD not in logged
    assert SPOKEN not in logged


def action_of(document: ElementTree.Element) -> str:
    return next(document.iter("Gather")).get("action", "")


def brought(ingress: Ingress, turn: Turn) -> Turn:
    settings: Settings = ingress.app.state.ingress.settings
    return opened(turn, sensitive_cipher(settings))


def assert_hidden(turn: Turn) -> None:
    assert turn.sensitive
    assert turn.sealed_words
    shown = turn.model_dump_json()
    assert CARD not in shown
    assert SPOKEN not in shown


@pytest.mark.parametrize("fields", [{"Digits": CARD}, {"SpeechResult": SPOKEN, "Confidence": "0.9"}])
async def test_the_answer_to_a_sensitive_question_is_submitted_encrypted(ingress, fields):
    await ingress.twiml(action_of(await ingress.begin()), **fields)
    turn = ingress.turns[-1]
    assert_hidden(turn)
    assert (turn.text, turn.digits, turn.confidence) == (HIDDEN, "", None)
    found = brought(ingress, turn)
    assert found.text == next(iter(fields.values()))
    assert (found.kind, found.digits) == (("keys", CARD) if "Digits" in fields else ("speech", ""))


async def test_silence_is_not_hidden_and_what_follows_it_is(ingress):
    again = await ingress.twiml(action_of(await ingress.begin()))
    assert ingress.turns[-1] == ingress.turns[-1].model_copy(update={"sensitive": False, "text": ""})
    await ingress.twiml(action_of(again), Digits=CARD)
    assert_hidden(ingress.turns[-1])
    after = ingress.turns[-1]
    await ingress.twiml("/twilio/turn/3", SpeechResult="hello")
    assert ingress.turns[-1].text == "hello"
    assert ingress.turns[-1].turn_id != after.turn_id


async def test_a_held_answer_stays_encrypted_until_the_store_takes_it(start_ingress):
    async with start_ingress(agent=cashier, timeouts=QUICK) as ingress:
        asked = await ingress.begin()
        ingress.trouble(StoreUnavailable())
        held = redirect_of(await ingress.twiml(action_of(asked), Digits=CARD))
        assert CARD not in held
        ingress.trouble(None)
        assert said(await ingress.twiml(held)) == "Thank you."
        assert_hidden(ingress.turns[-1])
        assert brought(ingress, ingress.turns[-1]).text == CARD


async def test_words_that_come_after_a_repeated_question_are_encrypted(ingress):
    asked = await ingress.begin()
    ingress.trouble(TurnRejected())
    again = await ingress.twiml(action_of(asked), Digits="99")
    ingress.trouble(None)
    await ingress.twiml(action_of(again), Digits=CARD)
    assert_hidden(ingress.turns[-1])


async def test_a_webhook_that_comes_again_is_not_another_answer(ingress):
    action = action_of(await ingress.begin())
    first = await ingress.post(action, Digits=CARD)
    submitted = len((await ingress.state()).turns)
    assert (await ingress.post(action, Digits=CARD)).text == first.text
    assert len((await ingress.state()).turns) == submitted


async def test_other_words_under_a_used_number_are_another_answer(ingress):
    action = action_of(await ingress.begin())
    await ingress.twiml(action, Digits=CARD)
    await ingress.twiml(action, Digits="77770000")
    words = [turn for turn in (await ingress.state()).turns if turn.kind == "keys"]
    assert [turn.turn_id for turn in words] == ["turn-1", "turn-2"]
    assert brought(ingress, ingress.turns[-1]).text == "77770000"


async def test_a_repeated_webhook_whose_answer_the_worker_has_hidden_is_recognised(ingress):
    action = action_of(await ingress.begin()).replace("?sensitive=1", "")
    first = await ingress.post(action, Digits=CARD)
    assert (await ingress.post(action, Digits=CARD)).text == first.text
    assert [turn.kind for turn in (await ingress.state()).turns] == ["started", "keys"]


async def test_in_production_without_a_key_the_words_are_not_sent_on(start_ingress):
    async with start_ingress(agent=cashier, environment="production") as ingress:
        await ingress.twiml(action_of(await ingress.begin()), Digits=CARD)
        turn = ingress.turns[-1]
        assert is_lost(turn)
        assert CARD not in turn.model_dump_json()


async def test_in_production_a_seal_key_is_enough(start_ingress):
    async with start_ingress(agent=cashier, environment="production", seal_key="k" * 40) as ingress:
        await ingress.twiml(action_of(await ingress.begin()), Digits=CARD)
        assert_hidden(ingress.turns[-1])
        assert brought(ingress, ingress.turns[-1]).text == CARD


async def post_text(ingress: Ingress, **body: Any) -> Any:
    return await ingress.client.post("/calls/text-1/turns", json=body)


async def test_a_text_turn_says_itself_that_it_is_sensitive(ingress):
    asked = await post_text(ingress, kind="started")
    assert asked.json()["reply"]["actions"][-1]["sensitive"] is True
    answer = await post_text(ingress, turn_id="t2", text=SPOKEN, sensitive=True)
    assert answer.json()["reply"]["text"] == "Thank you."
    assert_hidden(ingress.turns[-1])
    assert brought(ingress, ingress.turns[-1]).text == SPOKEN
    again = await post_text(ingress, turn_id="t2", text=SPOKEN, sensitive=True)
    assert again.text == answer.text


async def test_an_ordinary_question_says_nothing_of_it(ingress):
    await post_text(ingress, kind="started")
    answer = await post_text(ingress, text="hello")
    assert "sensitive" not in answer.text


async def test_sensitive_keys_of_a_text_turn_are_encrypted(ingress):
    await post_text(ingress, kind="started")
    await post_text(ingress, kind="keys", digits=CARD, sensitive=True)
    assert_hidden(ingress.turns[-1])
    assert brought(ingress, ingress.turns[-1]).digits == CARD


async def test_the_data_of_a_sensitive_signal_is_encrypted_and_its_name_is_not(ingress):
    await ingress.begin()
    body = {"name": "paid", "data": {"card": CARD}, "sensitive": True}
    response = await ingress.client.post(f"/calls/{ingress.call_sid}/signals", json=body)
    assert response.status_code == 200
    assert CARD not in response.text
    assert_hidden(ingress.turns[-1])
    assert ingress.turns[-1].text == "paid"
    assert brought(ingress, ingress.turns[-1]).data == {"card": CARD}


@pytest.mark.parametrize(
    "body",
    [
        {"text": CARD, "kind": "keys", "digits": f"x{CARD}"},
        {"text": CARD, "sensitive": f"{CARD}"},
        {"text": CARD, "turn_id": f"~{CARD}"},
        {"text": [CARD]},
        {"text": f"{CARD}\ud800"},
        {"turn_id": CARD * 40, "text": CARD},
    ],
)
async def test_a_body_that_is_refused_is_not_quoted(ingress, body):
    content = json.dumps({"sensitive": True, **body})
    response = await ingress.client.post(
        "/calls/text-1/turns", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert CARD not in response.text


@pytest.mark.parametrize("body", [{"name": "paid", "data": CARD}, {"name": "paid", "data": {}, CARD: 1}])
async def test_a_signal_that_is_refused_is_not_quoted(ingress, body):
    await ingress.begin()
    response = await ingress.client.post(f"/calls/{ingress.call_sid}/signals", json={**body, "sensitive": True})
    assert response.status_code == 422
    assert CARD not in response.text


async def test_an_answer_that_finds_no_room_or_no_store_is_not_quoted(ingress):
    await post_text(ingress, kind="started")
    for error, status in ((TurnRejected(), 409), (StoreUnavailable(), 503)):
        ingress.trouble(error)
        response = await post_text(ingress, text=CARD, sensitive=True)
        assert (response.status_code, CARD in response.text) == (status, False)


async def test_what_a_worker_reports_as_being_said_hides_it(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield f"You said {turn.text}. "
        if turn.has_words:
            await gate.wait()
        yield Gather(sensitive=True)

    async with start_ingress(agent=slow) as ingress:
        await post_text(ingress, kind="started")
        answering = asyncio.create_task(post_text(ingress, text=CARD, sensitive=True))

        def said_so_far() -> str:
            return "".join(turn["said"] for turn in progress_of(ingress.dispatcher.runner))

        await wait_until(lambda: "You said" in said_so_far(), "the agent has begun to speak")
        assert said_so_far() == "You said [hidden]. "
        assert CARD not in str(progress_of(ingress.dispatcher.runner))
        gate.set()
        assert CARD in (await answering).text


async def test_what_an_agent_raises_about_it_is_not_logged_at_any_level(start_ingress, caplog):
    async def broken(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.has_words:
            raise ValueError(f"no such card: {turn.text}")
        yield "Your card number, please."

    caplog.set_level(logging.DEBUG)
    async with start_ingress(agent=broken) as ingress:
        await post_text(ingress, kind="started")
        assert (await post_text(ingress, text=CARD, sensitive=True)).json()["outcome"] == "failed"
    logged = "\n".join(f"{record.getMessage()} {record.exc_text} {record.exc_info}" for record in caplog.records)
    assert "no such card: [hidden]" in logged
    assert CARD not in logged
