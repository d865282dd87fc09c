"""The embedded server: one to a directory, reachable by its owner alone, and it forgets nothing."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from orchestrator.cli.embedded import EmbeddedServer, EmbeddedServerFailed, readable


@contextmanager
def running(server: EmbeddedServer) -> Iterator[subprocess.Popen[bytes]]:
    program = server.program()
    process = subprocess.Popen(
        program.command, env=program.environment, pass_fds=program.inherited, stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)
        server.close()


@pytest.mark.processes
async def test_a_killed_server_comes_back_with_its_data(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "data")
    await server.take()
    with running(server):
        await server.ready()
        with Redis.from_url(server.url) as client:
            client.set("voiceagent:test", "kept", ex=60)
        assert server.socket.stat().st_mode & 0o077 == 0
        assert server.directory.stat().st_mode & 0o077 == 0
    again = EmbeddedServer(tmp_path / "data")
    await again.take()
    with running(again):
        await again.ready()
        with Redis.from_url(again.url, decode_responses=True) as client:
            assert client.get("voiceagent:test") == "kept"


@pytest.mark.processes
async def test_a_directory_is_used_by_one_until_its_server_has_ended(tmp_path: Path) -> None:
    first, hasty, second = (EmbeddedServer(tmp_path, lock_seconds=seconds) for seconds in (10, 0.2, 60))
    await first.take()
    with running(first) as process:
        await first.ready()
        first.close()  # its owner dies; the server lives a little longer
        with pytest.raises(EmbeddedServerFailed, match="Another `voiceagent dev` uses"):
            await hasty.take()
        taking = asyncio.create_task(second.take())
        process.terminate()
        await taking
    hasty.close()
    second.close()


@pytest.mark.processes
async def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("long" * 30))
    await server.take()
    with running(server):
        await server.ready()
    assert not server.socket.exists()


async def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, ready_seconds=0.1)
    with pytest.raises(EmbeddedServerFailed, match="USE_REDIS=false"):
        await server.ready()
    server.close()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("12:M 23 Nov 2026 18:35:30.411 # Out of memory", "Out of memory"),
        ("12:M 23 Nov 2026 18:35:30.411 # Valkey is now ready to exit, bye bye...", ""),
        ("Fatal error, can't open config file", "Fatal error, can't open config file"),
    ],
)
def test_its_log_is_shortened_to_what_matters(line: str, text: str) -> None:
    assert readable(line) == text
