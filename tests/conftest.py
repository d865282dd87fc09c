"""Fixtures for all tests: the event loop, a real Redis server, and the checks that every key expires and that only
tests which say so start processes."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis
from support.certificates import CertificateAuthority
from support.passing_time import forget_server_time
from support.scheduling import WAITING, Scheduler
from support.servers import RedisServer, ServerFactory

pytest.register_assert_rewrite(
    "orchestrator.testing.state_manager_contract",
    "orchestrator.testing.turn_store_contract",
    "orchestrator.testing.lease_contract",
    "orchestrator.testing.sink_contract",
    "orchestrator.testing.example_turns",
    "orchestrator.testing.outbox_contract",
    "orchestrator.testing.delivery_contract",
    "orchestrator.testing.lives_contract",
    "orchestrator.testing.example_events",
)

# The same examples in each run, however long they take: what is red today was not green by luck yesterday.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("repeatable")

pytest_plugins = ["support.cluster_fixtures", "support.garbage", "support.postgres_fixtures"]

SERVERS = {"start_redis", "shared_cluster", "shared_replicated_cluster", "shared_postgres"}
"""Fixtures that start servers for one test, or more than one server: who uses them starts processes."""
STARTS = {"subprocess.Popen", "support.module_process.start", "os.fork", "os.forkpty", "os.posix_spawn"}
READERS = (("git",), ("uname",))
"""Programs that say something and end: git lists the repository's files, the client of OpenAI names the machine."""
PRODUCT_KEYS = ("voiceagent:*", "{voiceagent:*", "arq:*:wake")


_started: list[str] = []


def _note_start(event: str, arguments: tuple[Any, ...]) -> None:
    if event in STARTS and arguments[:1] not in READERS:
        _started.append(f"{event} {arguments[:2]}")


sys.addaudithook(_note_start)


def pytest_configure(config: pytest.Config) -> None:
    """Trust one authority of the tests: to load the world's takes an HTTP client 30 ms, and they make thousands."""
    if not hasattr(config, "workerinput"):  # whose processes inherit it
        directory = tempfile.TemporaryDirectory(prefix="va-authority-")
        config.add_cleanup(directory.cleanup)
        os.environ["SSL_CERT_FILE"] = str(CertificateAuthority(Path(directory.name)).certificate)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start servers, and run modules with processes first: they wait, and others compute meanwhile.
    A run that ended with the slowest of them would wait for it alone."""
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("processes")
    first = {item.path for item in items if item.get_closest_marker("processes")}
    items.sort(key=lambda item: (not item.nodeid.startswith(WAITING), item.path not in first))
    _started.clear()  # what importing the tests has started


@pytest.hookimpl(optionalhook=True)  # with `-p no:xdist`
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler | None:
    """Spread tests as `support.scheduling` says, with `--dist loadfile`."""
    return Scheduler(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """All async tests and fixtures run on asyncio."""
    return "asyncio", {"use_uvloop": False}


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The server that tests share. Who stops, kills or fills a server starts one with `start_redis`."""
    with RedisServer() as server:
        _started.clear()
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of the shared server, emptied."""
    redis_server.client().flushall()
    return redis_server.url


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the shared server, emptied. It gives bytes."""
    async with Redis.from_url(redis_url, socket_timeout=30) as client:
        yield client


@pytest.fixture
def start_redis() -> Iterator[ServerFactory]:
    """Start servers of your own: `start_redis("--requirepass", "secret")`. They are killed after the test."""
    servers: list[RedisServer] = []

    def start(*args: str, **options: object) -> RedisServer:
        servers.append(RedisServer(*args, **options))  # type: ignore[arg-type]
        return servers[-1].start()

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def own_time() -> None:
    """Let no test go by the time that an ingress of an earlier one has read, inexactly while the machine is busy."""
    forget_server_time()


@pytest.fixture(autouse=True)
def every_key_expires(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves a key of the product without a time to live on the shared server."""
    yield
    if "redis_url" not in request.fixturenames:
        return
    client = request.getfixturevalue("redis_server").client()
    keys = {key for pattern in PRODUCT_KEYS for key in client.scan_iter(match=pattern, count=1000)}
    without_ttl = sorted(key for key in keys if client.ttl(key) == -1)
    client.close()
    assert not without_ttl, f"keys without a time to live: {without_ttl}"


@pytest.fixture(autouse=True)
def no_unmarked_process(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that starts a process and is not marked with `processes`; the fixtures that it shares count."""
    yield
    started = _started[:]
    _started.clear()
    if request.node.get_closest_marker("processes") is None:
        assert started == [], "mark this test with `processes`, so that `make quick` leaves it out"
