"""A voice in the environment, in the documents of each provider; and an ingress that says what it leaves out."""

import base64
import logging
import time
from urllib.parse import urlencode
from xml.etree import ElementTree

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.ingress import said
from twilio.request_validator import RequestValidator

from orchestrator.conversation.actions import SetVoice
from orchestrator.errors import StoreUnavailable
from orchestrator.provider_simulator.twiml import Connect, parse
from web.twilio import twiml

KEY = "PSK_signing_key"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
SETTINGS = {"telnyx_public_key": PUBLIC, "signalwire_signing_key": KEY}
VOICE = {
    "voice": "Joanna-Neural", "tts_provider": "Amazon", "language": "en-GB", "hints": "check-up, appointment",
    "transcription_provider": "Deepgram", "speech_model": "nova-3-general", "profanity_filter": False,
}  # fmt: skip


async def greeting_of(ingress, provider: str) -> ElementTree.Element:
    """Return the first document of a call over this provider."""
    form = {"CallSid": f"CA-{provider}", "From": "+15558675310", "To": "+15551234567"}
    body, path = urlencode(form), f"/{provider}/voice"
    if provider == "telnyx":
        now = str(int(time.time()))
        signature = base64.b64encode(PRIVATE.sign(f"{now}|{body}".encode())).decode()
        headers = {"telnyx-timestamp": now, "telnyx-signature-ed25519": signature}
    else:
        headers = {"X-SignalWire-Signature": RequestValidator(KEY).compute_signature(ingress.url + path, form)}
    headers["content-type"] = "application/x-www-form-urlencoded"
    response = await ingress.client.post(path, content=body, headers=headers)
    assert response.status_code == 200, response.text
    return ElementTree.fromstring(response.text)


def attributes(gather: ElementTree.Element, *names: str) -> dict[str, str]:
    return {name: gather.get(name) for name in names if gather.get(name) is not None}


async def test_twilio_is_told_voice_language_and_recogniser(start_ingress):
    async with start_ingress(**VOICE) as ingress:
        greeting = await ingress.begin()
        say, gather = greeting.find("Gather/Say"), greeting.find("Gather")
        assert (say.get("voice"), say.get("language")) == ("Polly.Joanna-Neural", "en-GB")
        assert attributes(gather, "speechModel", "speechTimeout", "hints", "language", "profanityFilter") == {
            "speechModel": "deepgram_nova-3-general", "speechTimeout": "2", "hints": "check-up, appointment",
            "language": "en-GB", "profanityFilter": "false",
        }  # fmt: skip
        assert gather.get("action") == "/twilio/turn/1", "nothing has changed, so nothing travels"
        assert parse(ElementTree.tostring(greeting))


async def test_telnyx_and_signalwire_are_told_what_they_document(start_ingress):
    async with start_ingress(**VOICE, **SETTINGS) as ingress:
        telnyx = (await greeting_of(ingress, "telnyx")).find("Gather")
        assert telnyx.find("Say").get("voice") == "Polly.Joanna-Neural"
        names = ("transcriptionEngine", "model", "keyterms", "hints", "profanityFilter", "speechModel", "speechTimeout")
        assert attributes(telnyx, *names) == {
            "transcriptionEngine": "Deepgram", "model": "deepgram/nova-3", "keyterms": "check-up, appointment",
            "profanityFilter": "false", "speechTimeout": "2",
        }  # fmt: skip
        signalwire = (await greeting_of(ingress, "signalwire")).find("Gather")
        assert signalwire.find("Say").get("voice") == "Polly.Joanna-Neural"
        assert attributes(signalwire, "enhanced", *names) == {
            "hints": "check-up, appointment", "profanityFilter": "false", "speechTimeout": "auto"
        }  # fmt: skip


async def test_a_relay_is_opened_with_the_voice(start_ingress):
    async with start_ingress(voice_channel="relay", **VOICE) as ingress:
        (verb,) = parse((await ingress.post("/twilio/voice", CallStatus="ringing")).text)
        assert isinstance(verb, Connect)
        expected = {
            "language": "en-GB", "ttsProvider": "Amazon", "voice": "Joanna-Neural", "speechModel": "nova-3-general",
            "transcriptionProvider": "Deepgram", "hints": "check-up, appointment", "profanityFilter": "false",
        }  # fmt: skip
        assert expected.items() <= verb.voices.attributes.items()
        assert verb.voices.languages == {}


async def test_a_caller_who_is_held_hears_the_chosen_voice_and_keeps_it(start_ingress):
    async def agent(turn, state):
        if turn.kind == "started":
            yield SetVoice("Polly.Amy")
        yield "Hello."

    async with start_ingress(agent=agent, **VOICE) as ingress:
        action = (await ingress.begin()).find("Gather").get("action")
        assert action == "/twilio/turn/1?voice=Polly.Amy"
        ingress.trouble(StoreUnavailable())
        held = await ingress.twiml(action, SpeechResult="hi")
        assert held.find("Say").get("voice") == "Polly.Amy"
        ingress.trouble(None)
        answer = await ingress.twiml(held.findtext("Redirect"))
        assert (said(answer), answer.find("Gather/Say").get("voice")) == ("Hello.", "Polly.Amy")
        assert answer.find("Gather").get("action") == "/twilio/turn/2?voice=Polly.Amy"
        again = await ingress.post(action, SpeechResult="hi")
        assert again.text == (await ingress.post(action, SpeechResult="hi")).text


async def test_a_call_that_returns_finds_the_voice_in_its_state(start_ingress):
    async def agent(turn, state):
        if turn.kind == "started":
            yield SetVoice("Polly.Amy")
        yield "Hello."

    async with start_ingress(agent=agent, **VOICE) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult="hi")
        back = await ingress.twiml("/twilio/voice", CallStatus="in-progress")
        assert back.find("Gather").get("action").endswith("?voice=Polly.Amy")


async def test_what_a_provider_in_use_does_not_know_is_said_once_at_start(start_ingress, caplog):
    with caplog.at_level(logging.WARNING):
        async with start_ingress(voice="Rachel", tts_provider="ElevenLabs", **SETTINGS):
            pass
        async with start_ingress(**VOICE):
            pass
    (record,) = (record for record in caplog.records if getattr(record, "action", "") == "voice.left_out")
    assert record.getMessage().count("voice Rachel") == 3


async def test_an_apology_for_what_nobody_foresaw_is_said_with_the_voice_of_the_call(start_ingress):
    async with start_ingress(**VOICE) as ingress:
        ingress.trouble(RuntimeError("unforeseen"))
        apology = await ingress.twiml("/twilio/turn/1?voice=Polly.Amy", SpeechResult="hi")
        assert (said(apology), apology.find("Say").get("voice")) == (twiml.APOLOGY, "Polly.Amy")
