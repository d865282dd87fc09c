"""Two ingress processes and a worker with a real Redis: what one ingress begins, the other continues."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from support.ingress import redirect_of, said
from support.programs import Start, programs, ready
from support.servers import RedisServer, free_port

pytestmark = pytest.mark.processes

FORM = {"CallSid": "CA1", "From": "+15550001111", "To": "+15550002222", "Direction": "inbound"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m web` or `python -m workers` with this environment."""
    with programs(tmp_path) as start:
        yield start


async def post(client: httpx.AsyncClient, path: str, **fields: str) -> ElementTree.Element:
    response = await client.post(path, data={**FORM, **fields})
    assert response.status_code == 200
    return ElementTree.fromstring(response.text)


async def hear(client: httpx.AsyncClient, path: str, **fields: str) -> ElementTree.Element:
    """Return what the caller hears after all fillers."""
    for _ in range(20):
        document = await post(client, path, **fields)
        if document.find("Gather") is not None:
            return document
        path, fields = redirect_of(document), {}
    raise AssertionError("nothing but fillers")


async def test_two_ingresses_are_one_to_the_caller_also_over_an_outage(start, start_redis):
    redis: RedisServer = start_redis("--appendonly", "yes", "--appendfsync", "always")
    ports = [free_port(), free_port()]
    for port in ports:
        start("web", REDIS_URL=redis.url, PORT=str(port))
    start("workers", REDIS_URL=redis.url)
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}", timeout=60) as one,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[1]}", timeout=60) as two,
    ):
        for port in ports:
            await ready(f"http://127.0.0.1:{port}")

        # The same webhook, ten times at once, to both.
        greetings = await asyncio.gather(*(hear(c, "/twilio/voice") for c in [one, two] * 5))
        assert len({ElementTree.tostring(greeting) for greeting in greetings}) == 1
        answers = await asyncio.gather(*(hear(c, "/twilio/turn/1", SpeechResult="hello") for c in [one, two] * 5))
        assert len({ElementTree.tostring(answer) for answer in answers}) == 1
        assert len((await two.get("/calls/CA1")).json()["turns"]) == 2

        # Redis goes down during a call; the held turn is answered at the other ingress.
        redis.kill()
        held = await post(one, "/twilio/turn/2", SpeechResult="are you there")
        assert (await two.get("/health/detailed")).status_code in (200, 503)
        assert (await two.get("/livez")).status_code == 200
        redis.start()
        document = await hear(two, redirect_of(held))
        assert "are you there" in said(document)
        assert document.find("Gather").get("action") == "/twilio/turn/3"
        turns = (await one.get("/calls/CA1")).json()["turns"]
        assert [turn["turn_id"] for turn in turns] == ["start", "turn-1", "turn-2"]
