"""What no provider and no application sends."""

import httpx
import pytest
from support.deployment import API_KEY, TOKEN

pytestmark = pytest.mark.processes

FORM = "application/x-www-form-urlencoded"
KEY = {"Authorization": f"Bearer {API_KEY}"}
BAD = [
    ("/twilio/voice", FORM, b"CallSid=CA1", {}, 403),
    ("/twilio/voice", FORM, b"CallSid=CA1", {"X-Twilio-Signature": "AAAA"}, 403),
    ("/twilio/voice", "application/json", b"{}", {}, 415),
    ("/twilio/turn/1", FORM, b"CallSid=%ff%fe", {}, 400),
    ("/twilio/turn/1", FORM, b"CallSid=\xff", {}, 400),
    ("/twilio/turn/1", FORM, b"SpeechResult=" + b"a" * 2_000_000, {}, 413),
    ("/calls/c1/turns", "application/json", b'{"text": "hi"}', {}, 401),
    ("/calls/c1/turns", "application/json", b"{", KEY, 400),
    ("/calls/c1/turns", "application/json", b"[]", KEY, 400),
    ("/calls/c1/turns", "application/json", b'{"text": 5}', KEY, 422),
    ("/calls/c1/turns", "text/plain", b"hi", KEY, 415),
    ("/calls/a%7Bb%7D/turns", "application/json", b'{"text": "hi"}', KEY, 400),
]


async def test_bad_input_is_refused_in_one_line_and_leaves_no_trace(deploy):
    deployment = await deploy(webs=1, workers=1)
    async with httpx.AsyncClient(base_url=deployment.ingresses[0], timeout=60) as client:
        for path, content_type, body, headers, status in BAD:
            answer = await client.post(path, content=body, headers={"Content-Type": content_type, **headers})
            assert answer.status_code == status, (path, body[:40], answer.text)
            assert len(answer.text.strip().splitlines()) == 1, answer.text
            assert "Traceback" not in answer.text

    with deployment.redis.client() as client:
        assert list(client.scan_iter(match="*voiceagent:state:*")) == []
        assert client.zcard("voiceagent:calls") == 0
    for member in deployment.members:
        assert TOKEN not in member.running.log
        assert API_KEY not in member.running.log
    assert deployment.runs == {}
