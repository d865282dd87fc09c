"""`voiceagent top` against a server: at a terminal, into a pipe, for machines."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.ingress import Ingress, started_ingress
from support.programs import programs, ready
from support.servers import free_port
from support.terminal import Running, at_a_terminal, in_the_background, run_script
from support.waiting import wait_until

pytestmark = pytest.mark.processes

LEAVES = "\x1b[?25h\x1b[?1049l"


@pytest.fixture
async def ingress() -> AsyncIterator[Ingress]:
    async with started_ingress() as ingress:
        for name in ("demo-1", "demo-2"):
            await say(ingress, name, f"hello from {name}")
        yield ingress


async def say(ingress: Ingress, name: str, text: str) -> None:
    await ingress.client.post(f"/calls/{name}/turns", json={"text": text})


async def test_into_a_pipe_goes_what_is_there_now(tmp_path: Path, ingress: Ingress) -> None:
    code, output, errors = await run_script("top", ingress.url, cwd=tmp_path)
    assert (code, errors) == (0, "")
    assert f"VoiceAgent at {ingress.url}\nHealthy.\n2 calls · 0 turns running" in output
    assert "\x1b" not in output
    assert {line.split()[0] for line in output.splitlines() if "demo-" in line} == {"demo-1", "demo-2"}
    assert " ingress  running " in output


async def test_for_machines_each_update_is_a_line(tmp_path: Path, ingress: Ingress) -> None:
    command = (sys.executable, "-m", "orchestrator.cli.main", "top", ingress.url, "--json")
    async with in_the_background(*command, cwd=tmp_path) as running:
        await running.shows('"call_sid": "demo-1"')
        await say(ingress, "demo-3", "I am new")
        await running.shows('"call_sid": "demo-3"')
        whole = running.text.splitlines()[:-1]
        assert {json.loads(line)["event"] for line in whole} == {"overview", "calls"}


async def test_at_a_terminal_it_follows_the_calls_and_shows_one(tmp_path: Path, ingress: Ingress) -> None:
    async with at_a_terminal("top", ingress.url, cwd=tmp_path) as running:
        await running.shows("demo-1")
        await say(ingress, "demo-3", "a new caller")
        await running.shows("demo-3")
        running.type("\x1b[B")
        await running.shows("› demo-3")
        running.type("\x1b[B")
        await running.shows("› demo-2")
        running.type("\r")
        await running.shows("hello from demo-2")
        await running.shows("Call demo-2")
        await say(ingress, "demo-2", "one thing more")
        await running.shows("one thing more")
        await quits(running)


async def quits(running: Running) -> None:
    running.type("q")
    assert await running.exit_code() == 0
    await wait_until(lambda: running.text.rstrip().endswith(LEAVES), "the screen is given back")


async def test_a_server_that_goes_is_told_and_found_again(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    settings = {"USE_REDIS": "false", "PORT": str(port)}
    with programs(tmp_path) as start:
        web = start("web", **settings)
        await ready(url)
        async with at_a_terminal("top", url, cwd=tmp_path) as running:
            await running.shows("No live calls.")
            web.kill()
            await running.shows("Trying again …")
            seen = len(running.text)
            start("web", **settings)
            await ready(url)
            await wait_until(lambda: "Healthy." in running.text[seen:], "it is connected again")
            await quits(running)


async def test_no_server_and_a_wrong_key_are_a_sentence(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    code, output, errors = await run_script("top", nowhere, cwd=tmp_path)
    assert (code, output) == (1, "")
    assert errors == f"voiceagent: Nothing answers at {nowhere}. Start it with `make run`.\n"
    async with at_a_terminal("top", nowhere, cwd=tmp_path) as running:
        await running.shows(f"Nothing answers at {nowhere}")
        assert await running.exit_code() == 1
    async with started_ingress(api_key="theirs") as ingress:
        code, _, errors = await run_script("top", ingress.url, cwd=tmp_path, settings={"API_KEY": "mine"})
        assert (code, "has another key" in errors) == (1, True), errors
