"""Own turns reach the session of their call whoever submits them, and whatever is lost on the way."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis
from support.ingress import CALL
from support.programs import programs, ready
from support.relay import RelaySocket, relay_socket
from support.servers import RedisServer, free_port

from orchestrator.redis import keys

pytestmark = pytest.mark.processes


@dataclass
class System:
    """Two ingresses: the first has the socket."""

    urls: list[str]
    redis: "Redis[bytes]"
    caller: RelaySocket

    async def signal(self, name: str) -> None:
        """Signal at the ingress that has no socket."""
        async with httpx.AsyncClient(base_url=self.urls[1], timeout=60) as client:
            answer = await client.post(f"/calls/{CALL}/say", json={"signal_id": name, "text": f"News: {name}."})
        assert answer.status_code == 200, answer.text
        assert answer.json()["delivery"] == "relay"


@pytest.fixture
async def system(tmp_path: Path, start_redis) -> AsyncIterator[System]:
    redis: RedisServer = start_redis()
    with programs(tmp_path, VOICE_CHANNEL="relay") as start:
        ports = [free_port(), free_port()]
        for port in ports:
            start("web", REDIS_URL=redis.url, PORT=str(port))
        start("workers", REDIS_URL=redis.url)
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        for url in urls:
            await ready(url)
        client = redis.client()
        try:
            async with relay_socket(urls[0], None) as caller:
                await caller.setup(CALL)
                await caller.reply()
                await caller.send("info", name="agentSpeaking", value="off")
                yield System(urls, client, caller)
        finally:
            client.close()


async def test_what_another_ingress_causes_is_heard(system: System) -> None:
    for name in ("one", "two"):
        await system.signal(name)
        assert await system.caller.reply() == f"News: {name}."
        await system.caller.send("info", name="agentSpeaking", value="off")


async def test_what_was_lost_on_the_way_is_heard_once_and_in_order(system: System) -> None:
    system.redis.delete(keys.call(CALL).listeners)  # as after a failover: nobody is told
    await system.signal("one")
    await system.signal("two")
    system.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    for name in ("one", "two", "three"):
        if name == "three":
            await system.signal(name)
        assert await system.caller.reply() == f"News: {name}."
        await system.caller.send("info", name="agentSpeaking", value="off")
