"""A refused webhook or upgrade leaves one log line: the URL that was checked, and what to set."""

import logging
from typing import Any

import pytest
from support.ingress import CALL, TOKEN, Ingress
from support.relay import PATH
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from web import rate_limit

FORM = {"CallSid": CALL}
ODD_HOSTS = [
    "[", "]", "[::1", "::1]", "[v1.x]", "a:b", "a:b:c", ":", ":99999", "host:port", "%", "a b", "http://x", "x" * 5000,
    "\xff", "..", "-", "a/b", "a?b", "a#b", "@", "user:secret@host", "", "[fe80::1%25eth0]", "[::ffff:127.0.0.1]:x",
]  # fmt: skip


def refusals(caplog: Any) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "action", "") == "webhook.refused"]


def signed(url: str, token: str = TOKEN) -> dict[str, str]:
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, FORM)}


async def refuse(ingress: Ingress, headers: dict[str, str], path: str = "/twilio/voice") -> None:
    assert (await ingress.client.post(path, data=FORM, headers=headers)).status_code == 403


async def test_a_refused_webhook_leaves_one_warning_with_the_url_and_what_to_set(start_ingress, caplog):
    caplog.set_level("INFO")
    async with start_ingress(public_base_url="https://calls.example.com/agents") as ingress:
        for _ in range(3):
            await refuse(ingress, signed("https://calls.example.com/agents/twilio/voice", "another token"))
    (line,) = refusals(caplog)
    assert line.levelno == logging.WARNING
    assert "https://calls.example.com/agents/twilio/voice" in line.getMessage()
    assert "TWILIO_AUTH_TOKEN" in line.getMessage()
    assert "PUBLIC_BASE_URL" in line.getMessage()
    assert TOKEN not in line.getMessage()


async def test_what_was_left_out_is_counted(ingress, caplog, monkeypatch):
    monkeypatch.setattr(rate_limit.time, "monotonic", lambda: now)
    now = 1000.0
    for _ in range(4):
        await refuse(ingress, signed("https://elsewhere.example"))
    now += rate_limit.EVERY_SECONDS
    await refuse(ingress, signed("https://elsewhere.example"))
    first, second = refusals(caplog)
    assert "3 more" in second.getMessage()
    assert "more" not in first.getMessage()


async def test_a_signature_for_another_public_url_is_told_with_that_url(ingress, caplog):
    """Behind a tunnel that no setting names."""
    headers = {**signed("https://some.tunnel.example/twilio/voice"), "X-Forwarded-Host": "some.tunnel.example"}
    await refuse(ingress, headers)
    (line,) = refusals(caplog)
    assert "PUBLIC_BASE_URL=https://some.tunnel.example" in line.getMessage()
    assert ingress.url + "/twilio/voice" in line.getMessage()


async def test_one_without_a_signature_is_told_apart(ingress, caplog):
    await refuse(ingress, {})
    await refuse(ingress, signed("https://elsewhere.example"))
    assert ["carries no X-Twilio-Signature" in line.getMessage() for line in refusals(caplog)] == [True, False]


@pytest.mark.parametrize(
    ("path", "headers", "what"),
    [
        ("/telnyx/voice", {}, "telnyx-timestamp"),
        ("/telnyx/voice", {"telnyx-timestamp": "1"}, "clock"),
        ("/signalwire/voice", {"X-SignalWire-Signature": "x"}, "SIGNALWIRE_SIGNING_KEY"),
        ("/signalwire/voice", {}, "carries no X-SignalWire-Signature"),
    ],
)
async def test_other_providers_refusals_are_told_too(start_ingress, caplog, path, headers, what):
    settings = {"telnyx_public_key": "A" * 43 + "=", "signalwire_signing_key": "PSK"}
    async with start_ingress(**settings) as ingress:
        for _ in range(2):
            await refuse(ingress, headers, path)
    (line,) = refusals(caplog)
    assert what in line.getMessage()
    assert path in line.getMessage()


@pytest.mark.parametrize(
    ("path", "variable"), [("/telnyx/voice", "TELNYX_PUBLIC_KEY"), ("/twilio/voice", "TWILIO_AUTH")]
)
async def test_a_key_that_is_not_set_is_named(start_ingress, caplog, path, variable):
    async with start_ingress(twilio_auth_token=None, public_base_url="https://calls.example.com") as ingress:
        for _ in range(2):
            await refuse(ingress, {}, path)
    (line,) = refusals(caplog)
    assert variable in line.getMessage()


async def test_no_query_and_nothing_a_stranger_makes_up_gets_into_the_log_raw(ingress, caplog):
    await refuse(ingress, {}, "/twilio/turn/1/wait?held=SECRETSEAL&speech=en")
    await refuse(ingress, {}, "/twilio/turn/%0aERROR%1b%5b31m" + "x" * 5000)
    text = "\n".join(line.getMessage() for line in refusals(caplog))
    assert "SECRETSEAL" not in text
    assert "\x1b" not in text
    assert all("\n" not in line.getMessage() and len(line.getMessage()) < 1000 for line in refusals(caplog))


@pytest.mark.parametrize("path", [PATH, "/signalwire/relay/SECRETTICKET"])
async def test_a_refused_upgrade_is_one_warning_and_no_error_of_the_server(start_ingress, caplog, path):
    caplog.set_level("INFO")
    async with start_ingress(signalwire_signing_key="PSK") as ingress:
        for _ in range(3):
            with pytest.raises(InvalidStatus) as refused:
                await connect(ingress.url.replace("http", "ws", 1) + path, proxy=None)
            assert refused.value.response.status_code == 403
    (line,) = refusals(caplog)
    assert path.removesuffix("SECRETTICKET") in line.getMessage()
    told = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    assert "SECRETTICKET" not in "\n".join(told)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_a_host_that_is_no_url_is_refused_everywhere(start_ingress, caplog, host):
    async with start_ingress(telnyx_public_key="A" * 43 + "=", signalwire_signing_key="PSK") as ingress:
        for path in ("/twilio/voice", "/telnyx/voice", "/signalwire/voice", "/calls", "/dashboard"):
            headers = {"Host": host.encode("latin-1"), "X-Twilio-Signature": "x", "telnyx-timestamp": "1"}
            response = await ingress.client.post(path, data=FORM, headers=headers)
            assert response.status_code in (400, 403, 405, 415), path
        for path in (PATH, "/telnyx/relay/x", "/signalwire/relay/x", "/nowhere"):
            status = await upgrade(ingress, path, host)
            assert status in (400, 403, 404), path
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def upgrade(ingress: Ingress, path: str, host: str) -> int:
    """Return the status of the answer to an upgrade with this Host header."""
    import asyncio

    address = ingress.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(address[0], int(address[2]))
    lines = [
        f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-Twilio-Signature: x", "", "",
    ]  # fmt: skip
    writer.write("\r\n".join(lines).encode("latin-1"))
    async with asyncio.timeout(30):
        status = (await reader.readline()).split()[1]
    writer.close()
    return int(status)


async def test_a_host_that_is_no_url_is_refused_where_the_signature_does_not_cover_it(start_ingress, caplog):
    """Telnyx signs the body alone, and our document would name that host."""
    import base64
    import time
    from urllib.parse import urlencode

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = base64.b64encode(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    async with start_ingress(telnyx_public_key=public, voice_channel="relay") as ingress:
        body, timestamp = urlencode(FORM), str(int(time.time()))
        headers = {
            "telnyx-timestamp": timestamp, "Host": "[",
            "telnyx-signature-ed25519": base64.b64encode(private.sign(f"{timestamp}|{body}".encode())).decode(),
            "content-type": "application/x-www-form-urlencoded",
        }  # fmt: skip
        response = await ingress.client.post("/telnyx/voice", content=body, headers=headers)
    assert response.status_code == 400
    assert "Host" in response.text
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
