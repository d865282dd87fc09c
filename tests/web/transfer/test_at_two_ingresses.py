"""Two ingress processes, a worker and a real Redis: whichever ingress is asked about a transfer knows what it must."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from support.ingress import redirect_of, said, verbs
from support.programs import programs, ready
from support.relay import relay_socket, ticket_in
from support.servers import free_port
from support.transferring import OTHER, PERSON, action_of, verb

pytestmark = pytest.mark.processes

AGENT = f"""
from orchestrator import Transfer

async def answer(turn, state):
    if turn.kind == "started":
        yield "Hello!"
    elif turn.kind == "transferred":
        yield f"Back: {{turn.text}}, {{turn.data['to']}}."
    elif turn.has_words:
        yield Transfer(("{PERSON}", "{OTHER}"), announce="A patient.", accept_key="1", then="return")
"""


class Deployment:
    """The ingresses, by number; each may be killed."""

    def __init__(self, redis: Any, webs: list[Any], urls: list[str]) -> None:
        self.redis, self.webs, self.urls = redis, webs, urls

    async def post(self, at: int, path: str, **fields: str) -> ElementTree.Element:
        form = {"CallSid": "CA1", "From": "+15558675310", "To": "+15551234567", "Direction": "inbound", **fields}
        async with httpx.AsyncClient(base_url=self.urls[at], timeout=60) as client:
            response = await client.post(path, data=form)
        assert response.status_code == 200, response.text
        return ElementTree.fromstring(response.text)

    async def hear(self, at: int, path: str, **fields: str) -> ElementTree.Element:
        """The document after all fillers."""
        for _ in range(60):
            document = await self.post(at, path, **fields)
            if "Redirect" not in verbs(document) or document.find("Gather") is not None:
                return document
            path, fields = redirect_of(document), {}
        raise AssertionError("nothing but fillers")

    async def leave(self, at: int) -> ElementTree.Element:
        """Let a new call be transferred by that ingress."""
        await self.hear(at, "/twilio/voice", CallStatus="ringing")
        return await self.hear(at, "/twilio/turn/1", SpeechResult="a person")


@pytest.fixture(params=["gather"])
async def deployment(request: Any, start_redis: Any, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Two ingresses and a worker; the parameter is the channel."""
    (tmp_path / "an_agent.py").write_text(AGENT)
    redis = start_redis("--appendonly", "yes", "--appendfsync", "always")
    ports = [free_port(), free_port()]
    async with AsyncExitStack() as stack:
        start = stack.enter_context(programs(tmp_path, AGENT="an_agent:answer", VOICE_CHANNEL=request.param))
        webs = [start("web", REDIS_URL=redis.url, PORT=str(port)) for port in ports]
        start("workers", REDIS_URL=redis.url)
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        for url in urls:
            await ready(url)
        yield Deployment(redis, webs, urls)


async def test_each_webhook_of_a_transfer_may_come_to_another_ingress_and_one_may_die(deployment):
    first = await deployment.leave(0)
    assert verb(first, "Dial/Number").text == PERSON
    deployment.webs[0].kill()
    second = await deployment.hear(1, action_of(first), DialCallStatus="no-answer")
    assert verb(second, "Dial/Number").text == OTHER
    heard = await deployment.post(1, verb(second, "Dial/Number").attrib["url"], CallSid="CA-leg")
    assert said(heard) == "A patient. Press 1 to take it."
    assert verbs(await deployment.post(1, action_of(heard, "Gather"), CallSid="CA-leg", Digits="1")) == []
    back = await deployment.hear(1, action_of(second), DialCallStatus="completed", DialCallSid="CA-leg")
    assert said(back) == f"Back: completed, {OTHER}."


async def test_who_took_the_call_at_one_ingress_is_known_at_the_other_also_after_an_outage(deployment):
    document = await deployment.leave(0)
    heard = await deployment.post(0, verb(document, "Dial/Number").attrib["url"], CallSid="CA-leg")
    deployment.redis.kill()
    assert verbs(await deployment.post(0, action_of(heard, "Gather"), CallSid="CA-leg", Digits="1")) == []
    talked = {"DialCallStatus": "completed", "DialCallDuration": "7", "DialCallSid": "CA-leg"}
    held = await deployment.post(1, action_of(document), **talked)
    assert verbs(held) == ["Say", "Redirect"]
    deployment.redis.start()
    back = await deployment.hear(1, redirect_of(held))
    assert said(back) == f"Back: completed, {PERSON}."


@pytest.mark.parametrize("deployment", ["relay"], indirect=True)
async def test_a_caller_who_left_a_session_comes_back_to_one_at_another_ingress_though_theirs_died(deployment):
    document = await deployment.post(0, "/twilio/voice", CallStatus="ringing")
    async with relay_socket(deployment.urls[0], None) as caller:
        await caller.setup("CA1", ticket=ticket_in(document))
        assert await caller.reply() == "Hello!"
        await caller.prompt("a person please")
        while (frame := await caller.frame())["type"] != "end":
            pass
    ended = verb(document, "Connect").attrib["action"]
    deployment.webs[0].kill()
    first = await deployment.post(
        1, ended, SessionStatus="ended", SessionDuration="9", HandoffData=frame["handoffData"]
    )
    second = await deployment.hear(1, action_of(first), DialCallStatus="busy")
    document = await deployment.post(1, action_of(second), DialCallStatus="no-answer")
    async with relay_socket(deployment.urls[1], None) as caller:
        await caller.setup("CA1", "VX2", ticket=ticket_in(document))
        assert await caller.reply() == f"Back: no-answer, {OTHER}."
