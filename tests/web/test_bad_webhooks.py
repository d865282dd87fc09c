"""Bad input gets a 4xx with one clear line, and nothing is enqueued."""

import asyncio

import pytest
from support.ingress import CALL, TOKEN
from twilio.request_validator import RequestValidator

from web.body import read_body

FORM = "application/x-www-form-urlencoded"


async def post(ingress, path, body, content_type=FORM):
    signature = RequestValidator(TOKEN).compute_signature(ingress.url + path, {})
    headers = {"Content-Type": content_type, "X-Twilio-Signature": signature}
    return await ingress.client.post(path, content=body, headers=headers)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b'{"CallSid": "CA1"}', "application/json", 415, "form"),
        (b"CallSid=CA1", "", 415, "form"),
        (b"CallSid=CA1", "text/plain", 415, "form"),
        (b"--x\r\n", "multipart/form-data; boundary=x", 415, "form"),
        (b'{"CallSid": "CA1"}', FORM, 400, "not a form"),
        (b"CallSid=CA1&SpeechResult=%ff%fe", FORM, 400, "UTF-8"),
        (b"CallSid=CA1&SpeechResult=\xff", FORM, 400, "UTF-8"),
        (b"CallSid=CA1&SpeechResult=%ed%a0%80", FORM, 400, "UTF-8"),
        (b"&".join(b"f%d=1" % i for i in range(300)), FORM, 400, "fields"),
        (b"CallSid=CA1&SpeechResult=" + b"x" * 70_000, FORM, 413, "65536"),
    ],
)
async def test_what_is_no_form_is_refused(ingress, body, content_type, status, words):
    response = await post(ingress, "/twilio/voice", body, content_type)
    assert response.status_code == status
    assert words in response.text
    assert response.text.count("\n") == 1
    assert response.headers["content-type"].startswith("text/plain")
    assert ingress.turns == []


async def test_an_oversized_stream_is_refused_without_a_content_length(ingress):
    async def chunks():
        for _ in range(80):
            yield b"x" * 1024

    response = await ingress.client.post("/twilio/voice", content=chunks(), headers={"Content-Type": FORM})
    assert response.status_code == 413


@pytest.mark.parametrize("call_sid", ["", "CA{1}", "CA\n1", "x" * 257])
async def test_a_missing_or_impossible_call_sid_is_refused(ingress, call_sid):
    ingress.call_sid = call_sid
    for path in ("/twilio/voice", "/twilio/turn/1", "/twilio/turn/1/wait", "/twilio/status"):
        response = await ingress.post(path, CallStatus="completed")
        assert response.status_code == 400
        assert "CallSid" in response.text or "call SID" in response.text
    assert ingress.turns == []


@pytest.mark.parametrize("number", ["0", "-1", "x", "01", "1.5", "²", "9" * 5000, "100000"])
async def test_a_bad_turn_number_is_not_found(ingress, number):
    from urllib.parse import quote

    response = await ingress.post(f"/twilio/turn/{quote(number)}", SpeechResult="hi")
    assert response.status_code == 404
    assert ingress.turns == []


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/turn/1", "/twilio/turn/1/wait", "/twilio/status"])
async def test_only_post_is_answered(ingress, path):
    response = await ingress.client.get(path)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_a_trailing_slash_is_not_redirected(ingress):
    assert (await ingress.post("/twilio/voice/")).status_code == 404


async def test_a_sender_that_dawdles_is_left(ingress, monkeypatch):
    monkeypatch.setitem(read_body.__kwdefaults__, "seconds", 0.2)
    port = int(ingress.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 50\r\n\r\n"
    writer.write(f"{head}CallSid={CALL[:9]}".encode())
    status = await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    assert b"408" in status


async def test_after_the_last_turn_number_the_caller_is_sent_nowhere(ingress):
    await ingress.begin()
    before = await ingress.post("/twilio/turn/99998", SpeechResult="hi")
    assert "/twilio/turn/99999" in before.text
    last = await ingress.post("/twilio/turn/99999", SpeechResult="hi")
    assert "<Hangup" in last.text
    assert "/twilio/turn/" not in last.text
