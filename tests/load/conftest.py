"""Web and worker processes to be loaded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.program import Start, clean_environment, programs
from support.servers import free_port


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start programs; they are stopped after the test."""
    with programs(tmp_path) as started:
        yield started


@pytest.fixture
def server_url(start: Start, tmp_path: Path) -> str:
    """A web process that answers by itself, with the agent `echo`."""
    return _started(start, tmp_path)


@pytest.fixture
def relay_url(start: Start, tmp_path: Path) -> str:
    """The same, on a relay."""
    return _started(start, tmp_path, VOICE_CHANNEL="relay")


def _started(start: Start, tmp_path: Path, **settings: str) -> str:
    port = free_port()
    environment = clean_environment(AGENT="echo", PORT=str(port), USE_REDIS="false", **settings)
    web = start("web", tmp_path, environment)
    url = f"http://127.0.0.1:{port}"
    web.wait_for(f"{url}/livez")
    return url
