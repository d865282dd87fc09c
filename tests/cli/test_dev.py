"""`voiceagent dev`: the whole product, started by one command, in real processes."""

import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from support.servers import free_port
from support.terminal import VOICEAGENT, Running, in_the_background, run_script
from support.waiting import wait_until

pytestmark = pytest.mark.processes

ECHO = {"AGENT": "echo"}
START_SECONDS = 60
CHATTY = """
async def reply(turn, state):
    for number in range(4000):
        print("x" * 100, flush=True)
    yield "Done."
"""


def children(running: Running) -> dict[int, str]:
    """Process id → command line of everything that `dev` keeps."""
    listing = subprocess.run(["ps", "-Ao", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == running.process.pid}


def child(running: Running, what: str) -> int:
    return next(pid for pid, command in children(running).items() if what in command)


async def test_everything_starts_survives_a_death_and_stops(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    dev = [*VOICEAGENT, "dev", "--port", str(port)]
    async with in_the_background(*dev, cwd=tmp_path, settings=ECHO) as running:
        await running.shows("VoiceAgent answers calls.", START_SECONDS)
        assert "starting valkey, worker.1, worker.2, web" in running.text
        await running.shows(f"voiceagent call {url}", START_SECONDS)
        kept = children(running)
        assert [sum(what in command for command in kept.values()) for what in ("valkey", "workers", "web")] == [
            1,
            2,
            1,
        ]

        code, output, errors = await run_script("call", url, "--call-sid", "CA1", cwd=tmp_path, script="hello\n")
        assert (code, errors) == (0, "")
        assert "agent › You said: hello" in output

        code, output, _ = await run_script("calls", "CA1", "--url", url, cwd=tmp_path)
        assert code == 0
        assert output.index("you   › hello") < output.index("agent › You said: hello")

        for what in ("web", "valkey"):
            subprocess.run(["kill", "-KILL", str(child(running, what))], check=True)
            await running.shows("(killed by SIGKILL)", START_SECONDS)
            running.text = ""
            await wait_until(lambda what=what: any(what in c for c in children(running).values()), what)
        code, output, errors = await run_script("call", url, cwd=tmp_path, script="again\n")
        while code == 1 and "Nothing answers" in errors:  # web is starting
            code, output, errors = await run_script("call", url, cwd=tmp_path, script="again\n")
        assert "agent › You said: again" in output
        code, output, _ = await run_script("calls", "CA1", "--url", url, cwd=tmp_path)
        assert "you   › hello" in output  # kept over the death of the server

        running.process.send_signal(signal.SIGINT)
        assert await running.exit_code(60) == 0
        assert "stopped" in running.text
        assert children(running) == {}


@pytest.mark.parametrize(("number", "leave"), [(signal.SIGINT, Running.hang_up), (signal.SIGTERM, Running.look_away)])
async def test_it_can_be_stopped_when_nobody_reads_its_output_any_more(
    tmp_path: Path, number: signal.Signals, leave: Callable[[Running], None]
) -> None:
    settings = {"AGENT": "chatty:reply", "USE_REDIS": "false", "PORT": str(free_port())}
    (tmp_path / "chatty.py").write_text(CHATTY)
    async with in_the_background(*VOICEAGENT, "dev", cwd=tmp_path, settings=settings) as running:
        await running.shows("VoiceAgent answers calls.", START_SECONDS)
        leave(running)
        code, _, _ = await run_script("call", cwd=tmp_path, settings=settings, script="hello\n")
        assert code == 0  # by now web has written more than a pipe holds
        running.process.send_signal(number)
        assert await running.exit_code(60) == 0
        assert children(running) == {}


async def test_an_agent_that_cannot_be_loaded_ends_everything_and_its_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import json\n\njson.loads('no JSON')\n")
    settings = {"AGENT": "broken:reply", "PORT": str(free_port())}
    code, output, _ = await run_script("dev", "--workers", "1", cwd=tmp_path, settings=settings)
    assert code == 1
    assert "importing broken failed: JSONDecodeError: Expecting value: line 1 column 1 (char 0) (broken.py:3)" in output
    assert "worker.1 cannot start (exit code 2)" in output
    assert "it starts again" not in output


async def test_without_redis_web_runs_alone(tmp_path: Path) -> None:
    port = free_port()
    settings = ECHO | {"USE_REDIS": "false", "PORT": str(port)}
    async with in_the_background(*VOICEAGENT, "dev", cwd=tmp_path, settings=settings) as running:
        await running.shows("VoiceAgent answers calls.", START_SECONDS)
        assert len(children(running)) == 1
        code, output, _ = await run_script("call", cwd=tmp_path, settings=settings, script="hello\nbye\n")
        assert code == 0
        assert "agent › Goodbye!" in output
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_code(60) == 0
    assert not (tmp_path / ".voiceagent").exists()


async def test_a_redis_of_the_settings_is_used_instead_of_an_embedded_one(tmp_path: Path, redis_url: str) -> None:
    settings = ECHO | {"REDIS_URL": redis_url}
    dev = [*VOICEAGENT, "dev", "--port", str(free_port()), "--workers", "1"]
    async with in_the_background(*dev, cwd=tmp_path, settings=settings) as running:
        await running.shows("VoiceAgent answers calls.", START_SECONDS)
        assert "starting worker.1, web" in running.text
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_code(60) == 0


async def test_a_taken_port_is_told_at_once_and_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, errors = await run_script("dev", cwd=tmp_path, settings={"PORT": str(port)})
    assert code == 1
    assert f"Port {port} at 127.0.0.1 cannot be had" in errors
    assert f"PORT={port + 1} make run" in errors


async def test_a_server_that_others_reach_is_given_a_key_and_the_key_is_shown(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = ECHO | {"USE_REDIS": "false", "PORT": str(port), "PUBLIC_BASE_URL": "https://calls.example"}
    async with in_the_background(*VOICEAGENT, "dev", cwd=tmp_path, settings=settings) as running:
        await running.shows("VoiceAgent answers calls.", START_SECONDS)
        await running.shows("Stop", START_SECONDS)
        made = re.search(r"API_KEY=(\S{32,})", running.text)
        assert made is not None, running.text
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            assert (await client.get("/calls")).status_code == 401
            opened = await client.get("/calls", headers={"Authorization": f"Bearer {made[1]}"})
        assert opened.status_code == 200
        assert running.text.count(made[1]) == 1


@pytest.mark.parametrize("settings", [{}, {"PUBLIC_BASE_URL": "https://calls.example", "API_KEY": "mine"}])
async def test_no_key_is_made_for_a_server_that_needs_none(tmp_path: Path, settings: dict[str, str]) -> None:
    settings = ECHO | {"USE_REDIS": "false", "PORT": str(free_port())} | settings
    async with in_the_background(*VOICEAGENT, "dev", cwd=tmp_path, settings=settings) as running:
        await running.shows("VoiceAgent answers calls.", START_SECONDS)
        await running.shows("Stop", START_SECONDS)
        assert "API_KEY" not in running.text
