"""`voiceagent chaos` against deployments that really run: each kind of fault, what it prints, and what it leaves."""

import os
import re
import shutil
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.chaos_output import read_chaos
from support.programs import ready
from support.servers import RedisServer, ServerFactory, free_port
from support.terminal import VOICEAGENT, Running, in_the_background, run_script
from support.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

DEVELOPMENT = {"AGENT": "orchestrator.chaos.agent:answer"}
FEW = ("--calls", "4", "--seconds", "8", "--every", "2")
REPOSITORY = Path(__file__).parents[2]


async def test_without_a_supervisor_one_worker_is_taken_and_no_more(tmp_path: Path) -> None:
    """Nothing starts it again: the last one, and the only ingress, must not be taken away."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        settings = DEVELOPMENT | {"USE_REDIS": "true", "REDIS_URL": redis.url, "PORT": str(port)}
        modules = ("workers", "workers", "web")
        started = [
            await stack.enter_async_context(
                in_the_background(sys.executable, "-m", module, cwd=REPOSITORY, settings=settings)
            )
            for module in modules
        ]
        await ready(url)
        options = ("--calls", "2", "--seconds", "8", "--every", "0.5", "--kinds", "kill", "--json")
        code, output, _ = await run_script("chaos", url, *options, cwd=tmp_path, settings=settings)
        alive = [running.process.poll() is None for running in started]
    faults, outcome = read_chaos(output)
    assert (code, len(faults), faults[0]["process"]["role"]) == (1, 1, "worker")
    assert (alive[:2].count(True), alive[2]) == (1, True)
    assert ["nothing has started another" in finding for finding in outcome["findings"]] == [True]


@pytest.mark.parametrize("channel", ["gather", "relay"])
async def test_a_deployment_of_its_own_is_started_broken_and_stopped(tmp_path: Path, channel: str) -> None:
    command = [*VOICEAGENT, "chaos", "--start", *FEW, "--channel", channel]
    async with in_the_background(*command, cwd=tmp_path) as running:
        code = await running.exit_code(180)
        assert code == 0, running.text
    assert "2 ingresses, 2 workers found" in running.text
    assert "Nothing was lost, doubled, out of order or wrong." in running.text
    assert re.search(
        r"^\d\d:\d\d:\d\d  (worker|ingress) \d+ \(\w{8}\) (killed|frozen|told)", running.text, re.MULTILINE
    )
    assert descendants_in(running) == []


async def test_ctrl_c_ends_the_run_with_its_outcome_and_leaves_nothing(tmp_path: Path) -> None:
    command = [*VOICEAGENT, "chaos", "--start", "--seconds", "600", "--calls", "3", "--every", "1", "--kinds", "freeze"]
    async with in_the_background(*command, cwd=tmp_path) as running:
        await running.shows("frozen", 120)
        running.process.send_signal(signal.SIGINT)
        assert await running.exit_code(120) == 130
        assert "Interrupted: no more faults." in running.text
        assert "turns lost" in running.text
        assert "Traceback" not in running.text
    await wait_until(lambda: descendants_in(running) == [], "nothing is left")


async def test_a_chaos_that_is_killed_leaves_nothing_frozen_and_nothing_running(tmp_path: Path) -> None:
    command = [*VOICEAGENT, "chaos", "--start", "--seconds", "600", "--calls", "3", "--every", "1", "--kinds", "freeze"]
    async with in_the_background(*command, cwd=tmp_path) as running:
        await running.shows("frozen", 120)
        kept = descendants_in(running)
        assert len(kept) > 4
        [directory] = directories_of(kept)
        running.process.kill()
        await wait_until(lambda: [pid for pid in kept if lives(pid)] == [], "nothing is left", 90)
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["https://calls.example.com"], "is not on this machine"),
        (["--kinds", "flood"], "give some of kill,freeze,roll,cut"),
        (["--seconds", "3600"], "Choose fewer seconds"),
    ],
)
async def test_what_is_not_done_is_said_in_a_sentence(tmp_path: Path, arguments: list[str], why: str) -> None:
    settings = {"USE_REDIS": "true", "REDIS_URL": "redis://127.0.0.1:1"}
    code, output, errors = await run_script("chaos", *arguments, cwd=tmp_path, settings=settings)
    assert (code, output) == (2, "")
    assert why in errors
    assert "Traceback" not in errors


async def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings = {"USE_REDIS": "true", "REDIS_URL": "redis://127.0.0.1:1"}
    code, output, errors = await run_script("chaos", url, "--kinds", "kill", cwd=tmp_path, settings=settings)
    assert (code, output, errors) == (1, "", f"voiceagent: Nothing answers at {url}.\n")


def directories_of(pids: list[int]) -> set[Path]:
    """Where these processes run, but for those that are not the deployment's."""
    return {at for at in (Path(os.readlink(f"/proc/{pid}/cwd")) for pid in pids) if "voiceagent-chaos-" in at.name}


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def descendants_in(running: Running) -> list[int]:
    """The processes that the command has started, and those that they have started, as far as they live."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [running.process.pid]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return [pid for pid in found[1:] if lives(pid)]


async def test_a_redis_that_lets_nobody_cut_connections_is_left_alone(
    start_redis: ServerFactory, tmp_path: Path
) -> None:
    redis = start_redis()
    with redis.client() as client:
        rights = {"passwords": ["+secret"], "keys": ["*"], "commands": ["+@all", "-client|list"]}
        client.acl_setuser("web", enabled=True, **rights)
    settings = {"USE_REDIS": "true", "REDIS_URL": redis.url.replace("//", "//web:secret@")}
    url = f"http://127.0.0.1:{free_port()}"
    code, output, errors = await run_script("chaos", url, cwd=tmp_path, settings=settings)
    assert (code, output) == (2, "")
    assert "--kinds kill,freeze,roll" in errors
    code, _, errors = await run_script("chaos", url, "--kinds", "kill,freeze,roll", cwd=tmp_path, settings=settings)
    assert (code, errors) == (1, f"voiceagent: Nothing answers at {url}.\n")
