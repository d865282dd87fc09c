"""Two ingress processes, a worker and a real Redis: what one ingress chose holds at the other."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import httpx
import pytest
from support.ingress import redirect_of
from support.programs import Start, programs, ready
from support.relay import relay_socket, ticket_in
from support.servers import RedisServer, free_port
from support.waiting import wait_until

pytestmark = pytest.mark.processes

ASKED, RELAYED = "+15550000001", "+15550000002"
ROUTES = f"""
[agents.one]
agent = "echo"

[agents.two]
agent = "echo"

[agents.relayed]
agent = "echo"
channel = "relay"

[[routes]]
number = "{ASKED}"
agent = "one"
tenant = "north"
hook = "a_router:choose"

[[routes]]
number = "{RELAYED}"
agent = "relayed"
tenant = "north"
"""
HOOK = """
import json, pathlib

def choose(call):
    with pathlib.Path("asked").open("a") as asked:
        asked.write(call.call_sid + "\\n")
    return json.loads(pathlib.Path("answer").read_text())
"""


@dataclass
class Deployment:
    redis: RedisServer
    folder: Path
    urls: list[str]

    def answers(self, agent: str) -> None:
        """What the hook says from now on."""
        (self.folder / "answer").write_text(json.dumps({"agent": agent}))

    @property
    def asked(self) -> list[str]:
        asked = self.folder / "asked"
        return asked.read_text().split() if asked.exists() else []

    async def post(self, at: int, path: str, call_sid: str = "CA1", to: str = ASKED, **fields: str) -> Any:
        """What the ingress answers to a webhook."""
        form = {"CallSid": call_sid, "From": "+15557654321", "To": to, "Direction": "inbound", **fields}
        async with httpx.AsyncClient(base_url=self.urls[at], timeout=60) as client:
            response = await client.post(path, data=form)
        assert response.status_code == 200, response.text
        return ElementTree.fromstring(response.text)

    async def hear(self, at: int, path: str, **fields: str) -> Any:
        """What the caller hears after all fillers."""
        for _ in range(20):
            document = await self.post(at, path, **fields)
            if document.find("Gather") is not None:
                return document
            path = redirect_of(document)
        raise AssertionError("nothing but fillers")

    async def state(self, call_sid: str = "CA1") -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=self.urls[1], timeout=60) as client:
            return (await client.get(f"/calls/{call_sid}")).json()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "routes.toml").write_text(ROUTES)
    (tmp_path / "a_router.py").write_text(HOOK)
    with programs(tmp_path, ROUTES="routes.toml") as start:
        yield start


@pytest.fixture
async def deployment(start: Start, start_redis: Any, tmp_path: Path) -> Deployment:
    redis: RedisServer = start_redis("--appendonly", "yes", "--appendfsync", "always")
    ports = [free_port(), free_port()]
    for port in ports:
        start("web", REDIS_URL=redis.url, PORT=str(port))
    start("workers", REDIS_URL=redis.url)
    deployment = Deployment(redis, tmp_path, [f"http://127.0.0.1:{port}" for port in ports])
    deployment.answers("two")
    for url in deployment.urls:
        await ready(url)
    return deployment


def agent_in(document: Any) -> list[str]:
    """Who has the call, as the action of the document says."""
    return parse_qs(urlsplit(document.find("Gather").attrib["action"]).query)["agent"]


async def test_a_retry_at_another_ingress_finds_the_choice_and_asks_no_hook(deployment):
    assert agent_in(await deployment.hear(0, "/twilio/voice", CallStatus="ringing")) == ["two"]
    deployment.answers("one")
    assert agent_in(await deployment.hear(1, "/twilio/voice", CallStatus="ringing")) == ["two"]
    fallback = await deployment.hear(1, "/twilio/voice", CallStatus="in-progress", ErrorCode="11200")
    assert agent_in(fallback) == ["two"]
    answer = await deployment.hear(1, fallback.find("Gather").attrib["action"], SpeechResult="hello")
    assert agent_in(answer) == ["two"]
    state = await deployment.state()
    assert (state["agent"], state["tenant"], len(state["turns"])) == ("two", "north", 2)
    assert deployment.asked == ["CA1"]


async def test_a_call_that_is_held_at_one_ingress_is_begun_at_the_other_as_it_was_chosen(deployment):
    deployment.redis.kill()
    held = await deployment.post(0, "/twilio/voice", CallStatus="ringing")
    deployment.answers("one")
    deployment.redis.start()
    assert agent_in(await deployment.hear(1, redirect_of(held))) == ["two"]
    assert (await deployment.state())["agent"] == "two"
    assert deployment.asked == ["CA1"]


async def test_the_socket_of_a_relay_call_begins_it_at_another_ingress_with_the_choice_of_its_ticket(deployment):
    document = await deployment.post(0, "/twilio/voice", "CA2", RELAYED, CallStatus="ringing")
    async with relay_socket(deployment.urls[1], None) as caller:
        await caller.setup("CA2", ticket=ticket_in(document), to=ASKED)
        await caller.reply()
    state = await deployment.state("CA2")
    assert (state["agent"], state["tenant"], state["channel"]) == ("relayed", "north", "relay")
    assert deployment.asked == []


async def test_a_call_that_began_in_memory_as_redis_was_away_is_written_back_with_its_agent(
    start, start_redis, tmp_path
):
    redis: RedisServer = start_redis("--appendonly", "yes", "--appendfsync", "always")
    redis.kill()
    port = free_port()
    web = start("web", REDIS_URL=redis.url, PORT=str(port))
    deployment = Deployment(redis, tmp_path, [f"http://127.0.0.1:{port}"])
    deployment.answers("two")

    async def is_up() -> bool:
        try:
            async with httpx.AsyncClient(base_url=deployment.urls[0]) as client:
                return (await client.get("/livez")).status_code == 200
        except httpx.TransportError:
            return False

    await wait_until(is_up, "the ingress serves from memory", 60)
    assert agent_in(await deployment.hear(0, "/twilio/voice", CallStatus="ringing")) == ["two"]
    async with httpx.AsyncClient(base_url=deployment.urls[0], timeout=60) as client:
        answer = await client.post("/calls/text-1/turns", json={"text": "hello", "to": ASKED})
        assert (answer.status_code, deployment.asked) == (200, ["CA1", "text-1"])
    redis.start()
    with redis.client() as client:
        stored = await wait_until(lambda: client.get("voiceagent:state:CA1"), "the call is in Redis", 60)
    assert (json.loads(stored)["agent"], json.loads(stored)["tenant"]) == ("two", "north")
    assert web.poll() is None
