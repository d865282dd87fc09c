"""Over webhooks the URL of the next action says that the answer is sensitive, until words or keys have come."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import pytest
from support.ingress import QUICK, Ingress, StartIngress, redirect_of

from orchestrator.conversation.actions import Gather, Play, Transfer
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable, TurnRejected
from orchestrator.routes.voice_profile import VoiceProfile
from web.twilio import twiml
from web.twilio.language import Languages
from web.voices.provider_voices import ProviderVoices
from web.voices.twilio import TwilioSpeech

CARD = "4242424242424242"


async def cashier(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Asks for a card number; to silence and to signals it says something else."""
    if turn.kind == "started":
        yield "Your card number, please."
        yield Gather(input="keys", sensitive=True)
    elif turn.has_words:
        yield "Thank you. Anything else?"
    else:
        yield "Are you there?"
        yield Gather(input="keys")


@pytest.fixture
async def ingress(start_ingress: StartIngress) -> AsyncIterator[Ingress]:
    async with start_ingress(agent=cashier) as started:
        yield started


def is_sensitive(url: str | None) -> bool:
    return dict(parse_qsl(urlsplit(url or "").query)).get("sensitive") == "1"


def asks_sensitively(document: ElementTree.Element) -> bool:
    """True if the answer is sensitive wherever the provider brings it: to the Gather's action, or the Redirect's."""
    action = next(document.iter("Gather")).get("action")
    assert is_sensitive(action) == is_sensitive(redirect_of(document))
    return is_sensitive(action)


def action_of(document: ElementTree.Element) -> str:
    return next(document.iter("Gather")).get("action", "")


async def test_the_answer_to_a_sensitive_question_is_marked_and_what_comes_after_it_is_not(ingress):
    asked = await ingress.begin()
    assert asks_sensitively(asked)
    assert not asks_sensitively(await ingress.twiml(action_of(asked), Digits=CARD))


async def test_it_stays_marked_over_silence_even_if_the_agent_asks_otherwise_meanwhile(ingress):
    asked = await ingress.begin()
    again = await ingress.twiml(action_of(asked))
    assert asks_sensitively(again)
    once_more = await ingress.twiml(action_of(again))
    assert asks_sensitively(once_more)
    assert not asks_sensitively(await ingress.twiml(action_of(once_more), Digits=CARD))


async def test_a_repeated_webhook_gets_the_same_bytes(ingress):
    asked = await ingress.post("/twilio/voice", CallStatus="ringing")
    assert (await ingress.post("/twilio/voice", CallStatus="ringing")).text == asked.text
    action = action_of(ElementTree.fromstring(asked.text))
    answered = await ingress.post(action, Digits=CARD)
    assert (await ingress.post(action, Digits=CARD)).text == answered.text


async def test_who_is_asked_to_repeat_is_asked_sensitively(ingress):
    asked = await ingress.begin()
    ingress.trouble(TurnRejected())
    assert asks_sensitively(await ingress.twiml(action_of(asked), Digits=CARD))


async def test_a_held_answer_leaves_the_next_one_unmarked(start_ingress):
    async with start_ingress(agent=cashier, timeouts=QUICK) as ingress:
        asked = await ingress.begin()
        ingress.trouble(StoreUnavailable())
        held = redirect_of(await ingress.twiml(action_of(asked), Digits=CARD))
        ingress.trouble(None)
        assert not asks_sensitively(await ingress.twiml(held))


async def test_a_held_silence_leaves_it_marked(start_ingress):
    async with start_ingress(agent=cashier, timeouts=QUICK) as ingress:
        asked = await ingress.begin()
        ingress.trouble(StoreUnavailable())
        held = redirect_of(await ingress.twiml(action_of(asked)))
        ingress.trouble(None)
        assert asks_sensitively(await ingress.twiml(held))


async def test_a_held_answer_that_cannot_be_read_any_more_is_asked_for_sensitively(start_ingress):
    async with start_ingress(agent=cashier, timeouts=QUICK) as ingress:
        asked = await ingress.begin()
        ingress.trouble(StoreUnavailable())
        held = redirect_of(await ingress.twiml(action_of(asked), Digits=CARD))
        ingress.trouble(None)
        assert asks_sensitively(await ingress.twiml(held.replace("held=", "held=x")))


async def test_a_call_that_comes_back_by_the_fallback_url_is_still_asked_sensitively(ingress):
    asked = await ingress.begin()
    await ingress.twiml(action_of(asked))
    assert asks_sensitively(await ingress.twiml("/twilio/voice", ErrorCode="11200"))


async def test_a_call_that_comes_back_after_the_answer_is_not(ingress):
    asked = await ingress.begin()
    await ingress.twiml(action_of(asked), Digits=CARD)
    assert not asks_sensitively(await ingress.twiml("/twilio/voice", ErrorCode="11200"))


def result(*actions: Any, preceding: tuple[Reply, ...] = ()) -> TurnResult:
    reply = Reply(text="Your card number, please.", actions=list(actions))
    return TurnResult(call_sid="CA1", turn_id="turn-1", outcome="replied", reply=reply, preceding=list(preceding))


@pytest.mark.parametrize("others", [(), (Play("https://sounds.example/a.mp3"),)])
def test_the_recogniser_gets_no_hints_for_it_whichever_way_the_document_is_written(others):
    voices = ProviderVoices(TwilioSpeech(), {"till": VoiceProfile(hints=("Visa", "Mastercard"))})
    languages = Languages(agent="till", voices=voices)
    plain = twiml.reply(result(Gather(), *others), next_turn=2, languages=languages)
    assert "Mastercard" in plain
    hidden = twiml.reply(result(Gather(sensitive=True, hints=("4242",)), *others), next_turn=2, languages=languages)
    assert "hints" not in hidden
    assert "artialResult" not in hidden


def test_it_is_asked_for_also_by_a_reply_that_is_heard_before_another():
    before = Reply(text="Hello.", actions=[Gather(sensitive=True)])
    xml = twiml.reply(result(Gather(), preceding=(before,)), next_turn=2, languages=Languages())
    assert asks_sensitively(ElementTree.fromstring(xml))


def test_the_way_back_from_a_person_keeps_it():
    xml = twiml.reply(result(Transfer("+15550001111")), next_turn=2, languages=Languages(sensitive=True))
    dial = ElementTree.fromstring(xml).find("Dial")
    assert dial is not None
    assert is_sensitive(dial.get("action"))
