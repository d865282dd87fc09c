"""PUBLIC_BASE_URL with a path: every URL that leads back here has it, whether or not the proxy removes it."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.ingress import CALL, TOKEN, Ingress, said
from support.twilio_api import ACCOUNT, TwilioApi, twilio_api
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect

from orchestrator.errors import BadSetting, StoreUnavailable
from orchestrator.provider_simulator import PATIENT, Asked, CallIdentity, PhoneLine, Said
from orchestrator.settings import load_settings

KEY = "PSK_signing_key"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SETTINGS = {
    "telnyx_public_key": base64.b64encode(PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode(),
    "signalwire_signing_key": KEY,
}
BASE = "https://gate.example/phone/agents"
PROXIES = ["takes the path off", "leaves it"]


class Provider:
    """Requests public URLs through a proxy that removes the path, or one that keeps it."""

    def __init__(self, ingress: Ingress, proxy: str, name: str = "twilio") -> None:
        self._ingress = ingress
        self._proxy = proxy
        self._name = name
        self.url = f"{BASE}/{name}/voice"

    def inside(self, url: str) -> str:
        """Return the URL to which the proxy forwards a request for the public `url`."""
        rest = url.removeprefix(BASE)
        assert rest != url, url
        return rest if self._proxy == PROXIES[0] else urlsplit(BASE).path + rest

    async def ask(self, reference: str = "", **fields: str) -> ElementTree.Element:
        self.url = urljoin(self.url, reference)
        form = {"CallSid": CALL, "CallStatus": "in-progress", **fields}
        headers = {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(self.url, form)}
        if self._name == "telnyx":
            timestamp = str(int(time.time()))
            signature = PRIVATE.sign(f"{timestamp}|{urlencode(form)}".encode())
            headers = {
                "telnyx-timestamp": timestamp, "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
            }  # fmt: skip
        if self._name == "signalwire":
            headers = {"X-SignalWire-Signature": RequestValidator(KEY).compute_signature(self.url, form)}
        response = await self._ingress.client.post(self.inside(self.url), data=form, headers=headers)
        assert response.status_code == 200, (self.url, response.text)
        return ElementTree.fromstring(response.text)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("name", ["twilio", "telnyx", "signalwire"])
async def test_a_call_goes_on_after_the_greeting(start_ingress: Any, name: str, proxy: str) -> None:
    async with start_ingress(public_base_url=BASE, **SETTINGS) as ingress:
        provider = Provider(ingress, proxy, name)
        document = await provider.ask(CallStatus="ringing")
        assert said(document) == "Hello!"
        for number, words in enumerate(("one", "two"), 1):
            gather = document.find("Gather")
            redirect = document.find("Redirect")
            assert gather is not None
            assert redirect is not None
            assert urljoin(provider.url, gather.attrib["action"]) == urljoin(provider.url, redirect.text or "")
            assert urlsplit(gather.attrib["action"]).path.endswith(f"/phone/agents/{name}/turn/{number}")
            document = await provider.ask(gather.attrib["action"], SpeechResult=words)
            assert said(document) == f"You said {words}."


@pytest.mark.parametrize("proxy", PROXIES)
async def test_a_held_caller_comes_back(start_ingress: Any, proxy: str) -> None:
    async with start_ingress(public_base_url=BASE) as ingress:
        provider = Provider(ingress, proxy)
        ingress.trouble(StoreUnavailable())
        waiting = await provider.ask(CallStatus="ringing")
        ingress.trouble(None)
        assert said(await provider.ask(waiting.findtext("Redirect") or "")) == "Hello!"


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("name", ["twilio", "telnyx"])
async def test_a_relay_call_is_connected_and_connected_again(start_ingress: Any, name: str, proxy: str) -> None:
    async with start_ingress(public_base_url=BASE, voice_channel="relay", **SETTINGS) as ingress:
        provider = Provider(ingress, proxy, name)
        document = await provider.ask(CallStatus="ringing")
        for session in ("VX1", "VX2"):
            relay = document.find("Connect/ConversationRelay")
            assert relay is not None
            url = relay.attrib["url"]
            assert url.startswith(f"wss://gate.example/phone/agents/{name}/relay")
            target = ingress.url.replace("http", "ws", 1) + provider.inside("https" + url.removeprefix("wss"))
            signed = {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, {})}
            parameters = {p.attrib["name"]: p.attrib["value"] for p in relay.iter("Parameter")}
            async with connect(target, additional_headers=signed, proxy=None) as phone:
                setup = {"type": "setup", "sessionId": session, "callSid": CALL, "customParameters": parameters}
                await phone.send(json.dumps(setup))
                await phone.send(json.dumps({"type": "prompt", "voicePrompt": session, "last": True}))
                heard = ""
                async with asyncio.timeout(30):
                    while f"You said {session}." not in heard:
                        heard += json.loads(await phone.recv()).get("token", "")
            connecting = document.find("Connect")
            assert connecting is not None
            document = await provider.ask(connecting.attrib["action"], SessionStatus="failed", SessionDuration="30")


async def test_the_terminals_phone_calls_such_a_server(start_ingress: Any) -> None:
    for channel in ("gather", "relay"):
        async with start_ingress(public_base_url=BASE, voice_channel=channel) as ingress:
            line = PhoneLine(ingress.url, TOKEN, identity=CallIdentity(f"CA-{channel}"), public_url=BASE, retry=PATIENT)
            heard = []
            async for event in line.call():
                if isinstance(event, Said):
                    heard.append(event.text)
                elif isinstance(event, Asked):
                    if len(heard) > 1:
                        break
                    line.answer_speech("good evening")
            assert heard == ["Hello!", "You said good evening."]


@pytest.fixture
async def api() -> AsyncIterator[TwilioApi]:
    async with twilio_api() as started:
        yield started


async def test_a_placed_call_names_addresses_with_the_path(start_ingress: Any, api: TwilioApi) -> None:
    account = {"twilio_account_sid": ACCOUNT, "twilio_api_base_url": api.url, "twilio_from_number": "+15551234567"}
    async with start_ingress(public_base_url=BASE, api_key="sesame", **account) as ingress:
        headers = {"Authorization": "Bearer sesame"}
        response = await ingress.client.post("/calls", json={"to": "+15558675310"}, headers=headers)
        assert response.status_code == 201, response.text
        where = response.headers["location"]
        assert where.startswith("/phone/agents/calls/")
        assert (await ingress.client.get(where, headers=headers)).status_code in (200, 404)
        assert (await ingress.client.get("/phone/agents/calls", headers=headers)).status_code == 200
        assert (await ingress.client.get("/phone/agents/dashboard")).status_code == 200
    (order,) = api.placed
    assert order["Url"][0].startswith(BASE + "/twilio/voice?")
    assert order["StatusCallback"] == [BASE + "/twilio/status"]


@pytest.mark.parametrize(
    "path", ["/phone/agentsx/livez", "/phone/agents", "/phone", "/other/livez", "/phone/agents//livez"]
)
async def test_other_paths_are_not_found(start_ingress: Any, path: str) -> None:
    async with start_ingress(public_base_url=BASE) as ingress:
        assert (await ingress.client.get(path)).status_code == 404
        assert (await ingress.client.get("/phone/agents/livez")).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/twilio/voice", "https://a.example/twilio/voice/", "https://a.example/twilio",
        "https://a.example/app/twilio/voice", "https://a.example/telnyx/voice", "https://a.example/signalwire/status",
        "https://a.example/twilio/status", "https://a.example/twilio/relay", "https://a.example/calls",
        "https://a.example/dashboard", "https://a.example/livez", "https://a.example/health", "https://a.example/metrics",
        "https://a.example/app/Twilio/Voice", "https://a.example/%74wilio/voice", "https://a.example/app/%2e%2E/b",
        "https://a.example//app", "https://a.example/a/../b", "https://a.example/./b", "https://a.example/a b",
        "https://a.example/a\\b", "https://a.example/<app>", "https://a.example/%zz", "https://a.example/ä",
        "https://a.example/" + "x" * 300, "https://https://a.example", "https://YOUR-HOST", "https://*.a.example",
        "https://0.0.0.0", "https://[::]:8000", "https://a..example", "wss://a.example", "a.example", "https://",
        "https://a.example?x=1", "https://a.example#rc=2", "https://u:p@a.example", "https://a.example:0", "https://a:b",
        "https://a.example:",
    ],
)  # fmt: skip
def test_what_cannot_be_meant_stops_the_process(url: str) -> None:
    with pytest.raises(BadSetting, match="PUBLIC_BASE_URL"):
        load_settings(public_base_url=url, _env_file=None)


def test_a_webhooks_url_is_answered_with_the_one_that_is_meant() -> None:
    with pytest.raises(BadSetting, match=r"must not contain .*https://a\.example/app(?![/\w])"):
        load_settings(public_base_url="https://a.example/app/twilio/voice", _env_file=None)


@pytest.mark.parametrize(
    "url", ["https://a.example", "https://a.example/app", "https://a.example/v1.2/our-agents_~x", "https://a.example/a%20b",
            "http://localhost:8000", "https://a.example:8443/voice", "https://[2001:db8::1]/app", "https://xn--4ca.example"]
)  # fmt: skip
def test_what_can_be_meant_is_taken(url: str) -> None:
    assert load_settings(public_base_url=url + "/", _env_file=None).public_base_url == url
