"""Webhooks with a wrong signature are refused."""

import logging
from contextlib import nullcontext

import httpx
import pytest
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.websockets import WebSocket
from support.ingress import CALL, TOKEN, said, settings_with
from twilio.request_validator import RequestValidator

from orchestrator.errors import BadSetting
from web.app import create_app
from web.twilio.signature import TwilioSignatures

ROUTES = ["/twilio/voice", "/twilio/turn/1", "/twilio/turn/1/wait", "/twilio/status"]
FORM = {"content-type": "application/x-www-form-urlencoded"}


def request_to(url: str, signature: str = "", client: str = "127.0.0.1", **headers: str) -> Request:
    parts = httpx.URL(url)
    raw = [(b"host", parts.netloc), (b"x-twilio-signature", signature.encode())]
    raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "method": "POST", "scheme": parts.scheme, "server": (parts.host, parts.port or 80),
        "path": parts.path, "raw_path": parts.raw_path.partition(b"?")[0], "query_string": parts.query,
        "headers": raw, "client": (client, 1),
    }  # fmt: skip
    return Request(scope)


def test_the_providers_own_example_is_accepted():
    fields = FormData(
        [
            ("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("Digits", "1234"),
            ("From", "+14158675310"), ("To", "+18005551212"),
        ]
    )  # fmt: skip
    request = request_to("https://example.com/myapp.php?foo=1&bar=2", "L/OH5YylLD5NRKLltdqwSvS0BnU=")
    TwilioSignatures(settings_with(twilio_auth_token="12345")).check(request, fields)


@pytest.mark.parametrize("token", [TOKEN, "the next one"])
async def test_while_tokens_rotate_both_are_taken(start_ingress, token):
    async with start_ingress(twilio_auth_token_secondary="the next one") as ingress:
        ingress.token = token
        assert said(await ingress.begin()) == "Hello!"
        ingress.token = "another one"
        assert (await ingress.post("/twilio/turn/1", SpeechResult="hello")).status_code == 403


@pytest.mark.parametrize("token", [TOKEN, "the next one"])
def test_while_tokens_rotate_upgrades_signed_with_either_are_taken(token):
    signatures = TwilioSignatures(settings_with(twilio_auth_token_secondary="the next one"))
    url = "wss://calls.example/twilio/relay"
    for given, is_right in ((RequestValidator(token).compute_signature(url, {}), True), ("wrong", False)):
        scope = {
            "type": "websocket", "scheme": "wss", "path": "/twilio/relay", "query_string": b"", "client": ("::1", 1),
            "headers": [(b"host", b"calls.example"), (b"x-twilio-signature", given.encode())],
        }  # fmt: skip
        with nullcontext() if is_right else pytest.raises(HTTPException):
            signatures.check_upgrade(WebSocket(scope, receive=None, send=None))


def test_a_second_token_needs_a_first():
    with pytest.raises(ValidationError, match="TWILIO_AUTH_TOKEN"):
        settings_with(twilio_auth_token=None, twilio_auth_token_secondary="the next one")


def test_behind_a_proxy_the_public_url_is_what_was_signed():
    signatures = TwilioSignatures(settings_with(public_base_url="https://calls.example.com/"))
    signature = RequestValidator(TOKEN).compute_signature("https://calls.example.com/twilio/turn/1?speech=sv-SE", {})
    request = request_to("http://10.0.0.7:10000/twilio/turn/1?speech=sv-SE", signature)
    signatures.check(request, FormData([]))


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("signature", [None, "", "wrong", "L/OH5YylLD5NRKLltdqwSvS0BnU="])
async def test_a_wrong_signature_is_refused_on_every_route(ingress, path, signature):
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    response = await ingress.client.post(path, data={"CallSid": CALL, "CallStatus": "completed"}, headers=headers)
    assert response.status_code == 403
    assert response.text.count("\n") == 1
    assert "X-Twilio-Signature" in response.text
    assert TOKEN not in response.text
    assert ingress.turns == []


async def test_repeated_names_and_empty_values_are_signed_as_sent(ingress):
    body = f"CallSid={CALL}&Tag=b&Tag=a&Empty=&CallStatus=ringing"
    fields = FormData([("CallSid", CALL), ("Tag", "b"), ("Tag", "a"), ("Empty", ""), ("CallStatus", "ringing")])
    signature = RequestValidator(TOKEN).compute_signature(ingress.url + "/twilio/voice", fields)
    headers = {**FORM, "X-Twilio-Signature": signature}
    response = await ingress.client.post("/twilio/voice", content=body, headers=headers)
    assert response.status_code == 200
    response = await ingress.client.post("/twilio/voice", content=body.replace("Tag=a", "Tag=c"), headers=headers)
    assert response.status_code == 403


async def test_without_a_token_this_machine_may_send_unsigned_webhooks_with_one_warning(start_ingress, caplog):
    async with start_ingress(twilio_auth_token=None) as ingress:
        for _ in range(3):
            response = await ingress.client.post("/twilio/voice", data={"CallSid": CALL})
            assert response.status_code == 200
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING and "TWILIO_AUTH_TOKEN" in r.message]
    assert len(warnings) == 1


async def test_without_a_token_what_a_proxy_or_tunnel_passes_on_is_refused(start_ingress):
    async with start_ingress(twilio_auth_token=None) as ingress:
        headers = {"X-Forwarded-For": "203.0.113.9"}
        response = await ingress.client.post("/twilio/voice", data={"CallSid": CALL}, headers=headers)
        assert response.status_code == 403
        assert "TWILIO_AUTH_TOKEN" in response.text


@pytest.mark.parametrize(("client", "is_welcome"), [("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.8", False)])
def test_without_a_token_only_loopback_addresses_are_this_machine(client, is_welcome):
    from web.peer import is_local

    assert is_local(request_to("http://localhost/", client=client)) is is_welcome


def test_without_a_token_production_refuses_to_start():
    settings = settings_with(twilio_auth_token=None).model_copy(update={"environment": "production"})
    with pytest.raises(BadSetting, match="TWILIO_AUTH_TOKEN"):
        create_app(settings)


async def test_a_host_header_that_makes_no_url_is_refused(ingress):
    headers = {**FORM, "Host": "[", "X-Twilio-Signature": "x"}
    response = await ingress.client.post("/twilio/voice", content=f"CallSid={CALL}", headers=headers)
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("host", "is_welcome"),
    [("localhost:8000", True), ("127.0.0.1", True), ("[::1]:8000", True), ("calls.example.com", False), ("[", False)],
)
def test_without_a_token_a_page_or_tunnel_of_another_host_is_not_this_machine(host, is_welcome):
    from web.peer import is_local

    request = request_to("http://localhost/")
    request.scope["headers"] = [(b"host", host.encode())]
    assert is_local(request) is is_welcome


@pytest.mark.parametrize("header", ["X-Real-IP", "X-Forwarded-Proto", "Via", "CF-Connecting-IP"])
async def test_without_a_token_every_trace_of_a_proxy_counts(start_ingress, header):
    async with start_ingress(twilio_auth_token=None) as ingress:
        response = await ingress.client.post("/twilio/voice", data={"CallSid": CALL}, headers={header: "x"})
        assert response.status_code == 403


async def test_without_a_token_a_web_page_cannot_make_its_visitor_call(start_ingress):
    async with start_ingress(twilio_auth_token=None) as ingress:
        headers = {"Origin": "https://evil.example"}
        response = await ingress.client.post("/twilio/voice", data={"CallSid": CALL}, headers=headers)
        assert response.status_code == 403
