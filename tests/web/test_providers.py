"""Other providers: their signatures, call ids and documents, and the same conversation."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.ingress import TOKEN, said, started_ingress, verbs
from support.transferring import OTHER, PERSON, leaving_by
from support.waiting import wait_until
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from orchestrator.conversation.actions import Gather, Play, Record, Transfer
from orchestrator.errors import StoreUnavailable
from orchestrator.relay_documents.store import Document
from web.twilio.relay.tickets import Ticket

TELNYX_CALL = "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ"
KEY = "PSK_signing_key"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
SETTINGS = {"telnyx_public_key": PUBLIC, "signalwire_signing_key": KEY}
FORM = {"content-type": "application/x-www-form-urlencoded"}
PROVIDERS = ["telnyx", "signalwire"]


@pytest.fixture
async def ingress() -> AsyncIterator:
    async with started_ingress(**SETTINGS) as started:
        yield started


def telnyx_headers(body: bytes, at: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    signature = base64.b64encode(PRIVATE.sign(f"{timestamp}|".encode() + body)).decode()
    return {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": signature}


def signalwire_headers(url: str, form: dict[str, str], header: str = "X-SignalWire-Signature") -> dict[str, str]:
    return {header: RequestValidator(KEY).compute_signature(url, form)}


async def post(ingress, provider: str, path: str, **fields: str):
    """Post a webhook with the provider's signature."""
    form = {"CallSid": TELNYX_CALL, "From": "+15558675310", "To": "+15551234567", **fields}
    body = urlencode(form).encode()
    url = f"/{provider}/{path}" if not path.startswith(("/", "http")) else path
    if provider == "telnyx":
        headers = telnyx_headers(body)
    else:
        headers = signalwire_headers(url if url.startswith("http") else ingress.url + url, form)
    return await ingress.client.post(url, content=body, headers={**FORM, **headers})


async def document(ingress, provider: str, path: str, **fields: str) -> ElementTree.Element:
    response = await post(ingress, provider, path, **fields)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/xml")
    return ElementTree.fromstring(response.text)


async def ended_state(ingress):
    """Return the state once the call has ended."""

    async def ended():
        state = await ingress.runtime.states.get_state(TELNYX_CALL)
        return state if state and state.ended else None

    return await wait_until(ended, "the call has ended")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_call_is_held_from_greeting_to_end_on_the_providers_own_routes(ingress, provider):
    greeting = await document(ingress, provider, "voice", CallStatus="ringing")
    assert said(greeting) == "Hello!"
    answer = await document(ingress, provider, greeting.find("Gather").get("action"), SpeechResult="good evening")
    assert said(answer) == "You said good evening."
    keys = await document(ingress, provider, answer.find("Gather").get("action"), Digits="12")
    assert said(keys) == "You said 12."
    silence = await document(ingress, provider, keys.find("Redirect").text)
    assert said(silence) == "Are you there?"
    assert (await post(ingress, provider, "status", CallStatus="completed")).status_code == 204
    state = await ended_state(ingress)
    assert state.ended.status == "completed"
    assert (state.provider, state.direction) == (provider, "inbound")
    assert [turn.turn_id for turn in state.turns[:3]] == ["start", "turn-1", "turn-2"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_sensitive_answer_is_marked_at_the_provider_until_it_has_come(start_ingress, provider):
    async def agent(turn, state):
        yield "Your number, please."
        yield Gather(sensitive=turn.kind == "started")

    async with start_ingress(agent=agent, **SETTINGS) as ingress:
        asked = await document(ingress, provider, "voice", CallStatus="ringing")
        assert "sensitive=1" in asked.find("Gather").get("action")
        again = await document(ingress, provider, asked.find("Redirect").text)
        assert "sensitive=1" in again.find("Redirect").text
        answered = await document(ingress, provider, again.find("Gather").get("action"), Digits="4242")
        assert "sensitive" not in answered.find("Gather").get("action") + answered.find("Redirect").text


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_signal_comes_with_the_next_webhook(ingress, provider):
    await document(ingress, provider, "voice")
    body = {"text": "The doctor is late.", "interrupt": True}
    answer = await ingress.client.post(f"/calls/{TELNYX_CALL}/say", json=body)
    assert answer.json()["delivery"] == "next_webhook"
    heard = await document(ingress, provider, "turn/1", SpeechResult="hello")
    assert said(heard) == "The doctor is late. You said hello."
    assert f"/{provider}/turn/2" in heard.find("Gather").get("action")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_address_in_a_document_stays_with_the_provider(ingress, provider):
    text = (await post(ingress, provider, "voice")).text
    assert "/twilio/" not in text
    assert text.count(f"/{provider}/turn/1") == 2
    assert (ingress.url in text) == (provider == "signalwire")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_held_caller_waits_at_the_provider_and_goes_on(ingress, provider):
    ingress.trouble(StoreUnavailable())
    waiting = await document(ingress, provider, "voice")
    assert verbs(waiting) == ["Say", "Redirect"]
    ingress.trouble(None)
    assert f"/{provider}/turn/0/wait?" in waiting.find("Redirect").text
    assert said(await document(ingress, provider, waiting.find("Redirect").text)) == "Hello!"


async def test_telnyx_gets_no_attribute_that_it_does_not_know(ingress):
    gather = (await document(ingress, "telnyx", "voice")).find("Gather")
    assert "actionOnEmptyResult" not in gather.attrib
    assert gather.get("speechTimeout").isdecimal()


async def test_what_an_agent_says_and_plays_is_left_alone(start_ingress):
    async def agent(turn, state):
        yield "Look at /twilio/turn/1, & <that>."
        yield Play("https://cdn.example/twilio/relay")
        yield Transfer("+15550001111")

    async with start_ingress(agent=agent, **SETTINGS) as ingress:
        found = await document(ingress, "telnyx", "voice")
        assert said(found) == "Look at /twilio/turn/1, & <that>."
        assert found.find("Play").text == "https://cdn.example/twilio/relay"
        assert found.find("Dial/Number").text == "+15550001111"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_caller_without_a_number_is_connected_under_the_one_they_called(start_ingress, provider):
    async def agent(turn, state):
        yield Transfer("+15550001111")

    async with start_ingress(agent=agent, twilio_from_number="+15559990000", **SETTINGS) as ingress:
        found = await document(ingress, provider, "voice", From="anonymous", To="+15552223333")
        assert found.find("Dial").get("callerId") == "+15552223333"
        # A number of the other provider's account does not belong to this one.
        found = await document(ingress, provider, "voice", CallSid="CA-other", From="anonymous", To="client:desk")
        assert found.find("Dial").get("callerId") is None


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_transfer_is_announced_and_comes_back_on_the_providers_own_routes(start_ingress, provider):
    transfer = Transfer((PERSON, OTHER), announce="A patient.", accept_key="1", then="return", ring_seconds=600)
    async with start_ingress(agent=leaving_by(transfer), **SETTINGS) as ingress:
        await document(ingress, provider, "voice", CallStatus="ringing")
        first = await document(ingress, provider, "turn/1", SpeechResult="a person")
        second = await document(ingress, provider, first.find("Dial").get("action"), DialCallStatus="busy")
        assert second.find("Dial/Number").text == OTHER
        assert second.find("Dial").get("timeout") == ("120" if provider == "telnyx" else "600")
        heard = await document(ingress, provider, second.find("Dial/Number").get("url"), CallSid="leg")
        assert said(heard) == "A patient. Press 1 to take it."
        taken = await document(ingress, provider, heard.find("Gather").get("action"), CallSid="leg", Digits="1")
        assert verbs(taken) == []
        talked = {"DialCallStatus": "completed", "DialCallDuration": "5", "DialCallSid": "leg"}
        back = await document(ingress, provider, second.find("Dial").get("action"), **talked)
        assert said(back) == f"Back: completed, {OTHER}, 5."
        assert "/twilio/" not in (await post(ingress, provider, "turn/1", SpeechResult="a person")).text


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_message_is_recorded_on_the_providers_own_routes(start_ingress, provider):
    async with start_ingress(agent=leaving_by(Record()), **SETTINGS) as ingress:
        await document(ingress, provider, "voice", CallStatus="ringing")
        found = await document(ingress, provider, "turn/1", SpeechResult="a message")
        for path in (found.find("Record").get("action"), found.findtext("Redirect")):
            assert f"/{provider}/turn/2?" in path
        fields = {"RecordingUrl": "https://cdn.example/RE0", "RecordingDuration": "3"}
        back = await document(ingress, provider, found.find("Record").get("action"), **fields)
        assert said(back) == "Recorded: RE0, 3."


@pytest.mark.parametrize("path", [
    "voice", "turn/1", "turn/1/wait", "relay/ended", "status", "transfer/announce", "transfer/accept",
])  # fmt: skip
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_the_provider_has_not_signed_is_refused(ingress, provider, path):
    form = {"CallSid": TELNYX_CALL}
    body = urlencode(form).encode()
    stranger = Ed25519PrivateKey.generate().sign(b"1|" + body)
    attempts = [
        {},
        {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(f"{ingress.url}/{provider}/{path}", form)},
        {**telnyx_headers(body), "telnyx-signature-ed25519": base64.b64encode(stranger).decode()},
        {**telnyx_headers(body), "telnyx-signature-ed25519": "%%%"},
        telnyx_headers(b"another body"),
        {**telnyx_headers(body), "telnyx-timestamp": "٣".encode()},
        signalwire_headers("https://elsewhere.example/voice", form),
    ]
    for headers in attempts:
        response = await ingress.client.post(f"/{provider}/{path}", content=body, headers={**FORM, **headers})
        assert response.status_code == 403
        assert KEY not in response.text
        assert response.text.count("\n") == 1
    assert ingress.turns == []


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (-290, 200), (290, 200), (-310, 403), (310, 403)])
async def test_telnyx_webhooks_are_good_for_five_minutes(ingress, seconds, status):
    body = urlencode({"CallSid": TELNYX_CALL}).encode()
    headers = {**FORM, **telnyx_headers(body, time.time() + seconds)}
    assert (await ingress.client.post("/telnyx/voice", content=body, headers=headers)).status_code == status


async def test_signalwire_may_sign_under_twilios_header_and_its_own_wins(ingress):
    form = {"CallSid": "c1", "Empty": ""}
    url = ingress.url + "/signalwire/voice"
    right = signalwire_headers(url, form, "X-Twilio-Signature")
    assert (await ingress.client.post(url, data=form, headers=right)).status_code == 200
    both = {**right, "X-SignalWire-Signature": "wrong"}
    assert (await ingress.client.post(url, data=form, headers=both)).status_code == 403


async def test_signalwire_may_send_json_signed_in_hex(ingress):
    url = ingress.url + "/signalwire/status"
    await post(ingress, "signalwire", "voice")
    body = json.dumps({"CallSid": TELNYX_CALL, "CallStatus": "completed", "Number": 3}).encode()
    signature = hmac.new(KEY.encode(), url.encode() + body, hashlib.sha1).hexdigest()
    headers = {"Content-Type": "application/json", "X-SignalWire-Signature": signature}
    assert (await ingress.client.post(url, content=body + b" ", headers=headers)).status_code == 403
    assert (await ingress.client.post(url, content=body, headers=headers)).status_code == 204
    assert (await ended_state(ingress)).ended.status == "completed"
    for bad in (b"[1]", b"\xff", b"nope"):
        assert (await ingress.client.post(url, content=bad, headers=headers)).status_code == 400
    assert (await ingress.client.post("/telnyx/status", content=body, headers=headers)).status_code == 415


@pytest.mark.parametrize("token", [TOKEN, None])
@pytest.mark.parametrize(("provider", "variable"), [("telnyx", "TELNYX_PUBLIC_KEY"), ("signalwire", "SIGNALWIRE")])
async def test_without_a_key_the_routes_of_a_provider_are_closed(start_ingress, provider, variable, token):
    async with start_ingress(twilio_auth_token=token, voice_channel="relay") as ingress:
        for path in ("voice", "turn/1", "turn/1/wait", "relay/ended", "status"):
            response = await ingress.client.post(f"/{provider}/{path}", data={"CallSid": "c1"})
            assert response.status_code == 403
            assert variable in response.text
        seal = ingress.app.state.ingress.seal
        ticket = Ticket("c1", provider, Document(1, time.time())).sealed(seal)
        with pytest.raises(InvalidStatus) as refused:
            await connect(ingress.url.replace("http", "ws", 1) + f"/{provider}/relay/{ticket}", proxy=None)
        assert refused.value.response.status_code == 403
    assert ingress.turns == []


async def test_with_another_providers_key_twilios_routes_are_closed_too(start_ingress):
    async with start_ingress(twilio_auth_token=None, telnyx_public_key=PUBLIC) as ingress:
        response = await ingress.client.post("/twilio/voice", data={"CallSid": "c1"})
        assert response.status_code == 403
        assert "TWILIO_AUTH_TOKEN" in response.text
        with pytest.raises(InvalidStatus):
            await connect(ingress.url.replace("http", "ws", 1) + "/twilio/relay", proxy=None)


async def test_a_deployment_with_telnyx_alone_takes_nothing_from_others(start_ingress):
    settings = {"environment": "production", "twilio_auth_token": None, "telnyx_public_key": PUBLIC}
    async with start_ingress(**settings) as ingress:
        assert said(await document(ingress, "telnyx", "voice")) == "Hello!"
        for path in ("/twilio/voice", "/signalwire/voice", "/twilio/status"):
            response = await ingress.client.post(path, data={"CallSid": "c1"})
            assert response.status_code == 403
            assert "is not set" in response.text


async def test_a_relay_call_of_telnyx_comes_with_a_ticket(start_ingress):
    async with start_ingress(voice_channel="relay", **SETTINGS) as ingress:
        found = await document(ingress, "telnyx", "voice", CallStatus="ringing")
        assert found.find("Connect").get("action").startswith("/telnyx/relay/ended?")
        url = found.find("Connect/ConversationRelay").get("url")
        assert "/telnyx/relay/" in url
        async with connect(url, proxy=None) as phone:
            await phone.send(json.dumps({"type": "setup", "sessionId": "VX1", "callSid": TELNYX_CALL}))
            frames = []

            async def greeted():
                frames.append(json.loads(await phone.recv()))
                return "Hello!" in "".join(frame.get("token", "") for frame in frames)

            await wait_until(greeted, "the agent greets")
        for forged in (url[:-4] + "AAAA", url.rpartition("/")[0] + "/x"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(forged, proxy=None)
            assert refused.value.response.status_code == 403


async def test_a_key_of_telnyx_that_is_none_stops_the_process(monkeypatch):
    from orchestrator.errors import BadSetting
    from orchestrator.settings import load_settings

    for wrong in ("abc", "é", PUBLIC[:-4]):
        with pytest.raises(BadSetting, match="TELNYX_PUBLIC_KEY"):
            load_settings(telnyx_public_key=wrong, _env_file=None)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_call_that_comes_back_goes_on_at_the_next_unused_number(ingress, provider):
    await document(ingress, provider, "voice", CallStatus="ringing")
    await document(ingress, provider, "turn/1", SpeechResult="one", CallStatus="in-progress")
    back = await document(ingress, provider, "voice", CallStatus="in-progress", ErrorCode="11200")
    assert said(back) == "You said one."
    assert back.find("Gather").get("action").endswith(f"/{provider}/turn/2")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_terminal_status_ends_the_call_on_any_route(ingress, provider):
    await document(ingress, provider, "voice", CallStatus="ringing")
    over = await document(ingress, provider, "turn/1", CallStatus="completed")
    assert verbs(over) == []
    assert (await ended_state(ingress)).ended.status == "completed"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_webhook_of_an_erased_call_does_nothing(ingress, provider):
    await document(ingress, provider, "voice", CallStatus="ringing")
    assert (await ingress.client.delete(f"/calls/{TELNYX_CALL}")).status_code == 204
    for path in ("voice", "turn/1"):
        answer = await document(ingress, provider, path, CallStatus="in-progress", SpeechResult="one")
        assert verbs(answer) == ["Say", "Hangup"]
    assert await ingress.runtime.states.get_state(TELNYX_CALL) is None
