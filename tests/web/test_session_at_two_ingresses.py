"""A session that one ingress opened counts at every other, also at one that started later, and while Redis is away."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.programs import Start, programs, ready
from support.servers import RedisServer, free_port

pytestmark = pytest.mark.processes

KEY = "the-key-of-the-test-0000000000000"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m web` or `python -m workers` with this environment."""
    with programs(tmp_path) as start:
        yield start


async def test_without_a_seal_key_all_ingresses_know_it(start, start_redis) -> None:
    redis: RedisServer = start_redis()
    ports = [free_port(), free_port()]
    start("workers", REDIS_URL=redis.url)
    start("web", REDIS_URL=redis.url, PORT=str(ports[0]), API_KEY=KEY)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    await ready(urls[0])
    async with httpx.AsyncClient(timeout=60) as client:
        opened = await client.post(f"{urls[0]}/session", json={"key": KEY})
        assert opened.status_code == 200
        start("web", REDIS_URL=redis.url, PORT=str(ports[1]), API_KEY=KEY)  # later: it has to learn the key
        await ready(urls[1])
        cookie = {"Cookie": opened.headers["set-cookie"].split(";")[0]}
        async with httpx.AsyncClient(timeout=60, headers=cookie) as browser:
            for url in urls:
                shown = await browser.get(f"{url}/session")
                assert (shown.status_code, shown.json()["name"]) == (200, "API_KEY")
                assert (await browser.get(f"{url}/calls")).status_code == 200
            redis.pause()
            try:
                for url in urls:
                    assert (await browser.get(f"{url}/session")).status_code == 200, "no Redis is asked"
            finally:
                redis.resume()
