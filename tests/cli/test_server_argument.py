"""One way to name the server: `--url URL` in every command that asks one, and a word where it always was one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.servers import free_port
from support.terminal import run_script

from orchestrator.cli.main import COMMANDS, main
from orchestrator.cli.server_argument import names_server

ASKING: dict[str, list[str]] = {
    "call": [], "calls": [], "records": [], "erase": ["CA1", "--yes"], "load": ["--calls", "1", "--turns", "1"],
    "chaos": ["--seconds", "1"], "top": [], "doctor": [],
}  # fmt: skip
"""Commands that ask a server, and what they need beside its URL."""
NOT_ASKING = {
    "dev": "it starts one",
    "dead": "it reads Redis", "events": "it reads Redis", "workers": "it reads Redis", "drain": "it reads Redis",
    "rollout": "it reads Redis", "encryption": "it reads Redis", "routes": "it reads a file",
    "api-keys": "it reads the settings", "completion": "it reads nothing",
}  # fmt: skip
"""The others, and why."""
WITH_A_WORD = ("call", "calls", "load", "chaos", "top", "doctor")
"""Where the URL may also be a word of its own."""


@asynccontextmanager
async def refusing_server() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that answers 404 to everything: its URL, and whether somebody has asked."""
    asked = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            asked.set()
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


def test_every_command_is_listed_here() -> None:
    assert {*ASKING, *NOT_ASKING} == set(COMMANDS)
    assert not {*ASKING} & {*NOT_ASKING}


@pytest.mark.processes
@pytest.mark.parametrize(
    "words",
    [[name, *rest, "--url"] for name, rest in ASKING.items()] + [[name, *ASKING[name]] for name in WITH_A_WORD],
    ids=" ".join,
)
async def test_the_server_that_is_named_is_asked(words: list[str], tmp_path: Path, redis_url: str) -> None:
    settings = {"PORT": str(free_port()), "USE_REDIS": "true", "REDIS_URL": redis_url}
    async with refusing_server() as (url, asked):
        _, output, errors = await run_script(*words, url, cwd=tmp_path, settings=settings)
    assert asked.is_set(), f"It was not asked:\n{output}\n{errors}"


@pytest.mark.parametrize("command", WITH_A_WORD)
def test_two_servers_are_too_many(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "http://127.0.0.1:1", "--url", "http://127.0.0.1:2"])
    assert ended.value.code == 2
    assert "two servers are named, http://127.0.0.1:1 and http://127.0.0.1:2: give one." in capsys.readouterr().err


@pytest.mark.parametrize("command", ASKING)
@pytest.mark.parametrize(
    "url", ["http://", "http://[", "ftp://x", "http://a b", "http://x:99999", "http://x:0", "x?y", "http://x/\x1b"]
)
def test_what_is_no_server_is_refused_in_a_sentence(command: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, *ASKING[command], "--url", url])
    assert ended.value.code == 2
    assert f"voiceagent {command}: error: {url!r} is no URL of a server: give one such as" in capsys.readouterr().err


def test_a_deployment_that_is_started_has_no_url(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["chaos", "--start", "http://127.0.0.1:1"])
    assert ended.value.code == 2
    assert "give no URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "is_server"),
    [
        ("http://web", True), ("https://calls.example/base", True), ("localhost", True), ("localhost:8000", True),
        ("127.0.0.1:8000", True), ("[::1]:8000", True), ("calls.example", True), ("web:8000", True),
        ("CA" + 32 * "0", False), ("demo-1", False), ("v2:T02abc.def", False), ("v3:Ab-c_d", False),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", False),
    ],
)  # fmt: skip
def test_a_server_is_told_from_a_call(word: str, is_server: bool) -> None:
    assert names_server(word) is is_server
