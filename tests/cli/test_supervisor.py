"""Keeping real programs running, and stopping them, with real signals."""

import json
import os
import re
import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from support.terminal import Running, in_the_background
from support.waiting import wait_until

from orchestrator.cli.program import RestartTimings

pytestmark = pytest.mark.processes

SUPERVISED = Path(__file__).with_name("supervised.py")
# Each stand-in says its process id first; a polite one says goodbye to SIGTERM.
HELLO = "import os, signal, sys, time; print('pid', os.getpid()); "
POLITE = HELLO + (
    "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(0))); print('ready'); time.sleep(600)"
)
STUBBORN = HELLO + "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(600)"
Stage = list[tuple[str, str, float]]
USUAL = RestartTimings()


@pytest.fixture
def supervise(tmp_path: Path):
    def start(
        *stages: Stage, pause: float = USUAL.first_pause, started: float = USUAL.started
    ) -> AbstractAsyncContextManager[Running]:
        seconds = (str(pause), str(started))
        return in_the_background(sys.executable, str(SUPERVISED), json.dumps(stages), *seconds, cwd=tmp_path)

    return start


def pids(running: Running, name: str) -> list[int]:
    return [int(pid) for pid in re.findall(rf"^{re.escape(name)}\| pid (\d+)$", running.text, re.MULTILINE)]


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


async def ends(pid: int) -> None:
    await wait_until(lambda: not lives(pid), f"process {pid} has ended")


def lines_of(running: Running, *wanted: str) -> list[str]:
    return [line for line in running.text.splitlines() if line in wanted]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_everything_in_the_reverse_of_the_start(supervise, number) -> None:
    stages = [[("store", POLITE, 10)], [("worker", POLITE, 10)], [("web", POLITE, 10)]]
    async with supervise(*stages) as running:
        for name in ("store", "worker", "web"):
            await running.shows(f"{name}| ready")
        await running.shows("welcome")
        running.process.send_signal(number)
        assert await running.exit_code() == 0
        await running.shows("store| bye")
        byes = lines_of(running, "store| bye", "worker| bye", "web| bye")
        assert byes == ["web| bye", "worker| bye", "store| bye"]


async def test_a_program_that_dies_is_started_again(supervise) -> None:
    async with supervise([("web", POLITE, 10)]) as running:
        await running.shows("web| ready")
        os.kill(pids(running, "web")[0], signal.SIGKILL)
        await running.shows("dev| web ended (killed by SIGKILL); it starts again in 0.5 s")
        await wait_until(lambda: running.text.count("web| ready") == 2, "web is there again")
        assert len(set(pids(running, "web"))) == 2


async def test_the_pauses_grow_and_a_program_that_cannot_start_stops_everything(supervise, monkeypatch) -> None:
    stages = [[("store", POLITE, 10)], [("web", HELLO + "print('no luck'); sys.exit(1)", 10)]]
    async with supervise(*stages) as running:
        await running.shows("web ended 5 times soon after its start (exit code 1)", timeout=60)
        assert re.findall(r"starts again in ([\d.]+) s", running.text) == ["0.5", "1", "2", "4"]
        assert await running.exit_code() == 1
        await running.shows("store| bye")


async def test_a_program_that_is_set_up_wrongly_is_not_started_again(supervise) -> None:
    stages = [[("store", POLITE, 10)], [("web", HELLO + "print('AGENT names nothing'); sys.exit(2)", 10)]]
    async with supervise(*stages) as running:
        assert await running.exit_code() == 1
        await running.shows("dev| web cannot start (exit code 2). Its log above says why")
        assert len(pids(running, "web")) == 1


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("time.sleep(0.2); sys.exit(1)", "exit code 1"),
        ("time.sleep(0.2); os.kill(os.getpid(), signal.SIGABRT)", "killed by SIGABRT"),
    ],
)
async def test_a_program_that_never_runs_steadily_is_given_up_whatever_ends_it(supervise, end, how) -> None:
    # It is up for longer than what counts as right after the start, which a slow import is, too.
    async with supervise([("web", HELLO + end, 10)], pause=0.01, started=0.1) as running:
        assert await running.exit_code() == 1
        await running.shows(f"web ended 5 times soon after its start ({how})")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_program_that_somebody_ends_again_and_again_is_started_again(supervise, number) -> None:
    async with supervise([("web", POLITE, 10)], pause=0.01, started=0.0) as running:
        for life in range(1, 9):
            await wait_until(lambda life=life: running.text.count("web| ready") == life, "web is ready", 60)
            os.kill(pids(running, "web")[-1], number)
        await wait_until(lambda: running.text.count("web| ready") == 9, "web is ready once more", 60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_everything_though_nobody_reads_the_output_any_more(supervise, number) -> None:
    async with supervise([("web", POLITE, 10)]) as running:
        await running.shows("web| ready")
        running.hang_up()
        running.process.send_signal(number)
        assert await running.exit_code() == 0
        await ends(pids(running, "web")[0])


async def test_who_does_not_stop_in_time_is_killed(supervise) -> None:
    async with supervise([("store", POLITE, 10)], [("web", STUBBORN, 0.3)]) as running:
        await running.shows("web| ready")
        await running.shows("store| ready")
        running.process.send_signal(signal.SIGTERM)
        await running.shows("dev| web did not stop within 0.3 s: killed")
        assert await running.exit_code() == 0
        await ends(pids(running, "web")[0])


async def test_a_second_signal_kills(supervise) -> None:
    async with supervise([("store", STUBBORN, 600)], [("web", STUBBORN, 600)]) as running:
        await running.shows("web| ready")
        await running.shows("store| ready")
        running.process.send_signal(signal.SIGINT)
        await running.shows("dev| stopping")
        running.process.send_signal(signal.SIGINT)
        assert await running.exit_code() == 130
        await ends(pids(running, "web")[0])
        await ends(pids(running, "store")[0])


async def test_a_stop_while_a_dead_program_waits_for_its_restart_is_at_once(supervise) -> None:
    async with supervise([("web", HELLO + "sys.exit(1)", 600)], pause=600) as running:
        await running.shows("it starts again in 600 s")
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_code() == 0
        assert len(pids(running, "web")) == 1


async def test_grandchildren_are_killed_with_a_program_that_left_them(supervise) -> None:
    child = "import subprocess; p = subprocess.Popen(['sleep', '600']); print('child', p.pid); "
    async with supervise([("web", HELLO + child + "print('ready'); time.sleep(600)", 10)]) as running:
        await running.shows("web| ready")
        grandchild = int(re.findall(r"child (\d+)", running.text)[0])
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_code() == 0
        await ends(grandchild)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
async def test_no_program_outlives_a_supervisor_that_was_killed(supervise) -> None:
    async with supervise([("store", POLITE, 10)], [("web", POLITE, 10)]) as running:
        await running.shows("web| ready")
        await running.shows("store| ready")
        running.process.kill()
        for name in ("web", "store"):
            [pid] = pids(running, name)
            await ends(pid)


async def test_long_and_broken_lines_are_passed_on(supervise) -> None:
    code = (
        HELLO
        + "sys.stdout.buffer.write(b'x' * 200_000 + b'\\n\\xff\\nlast'); sys.stdout.flush(); "
        + ("time.sleep(0.1); sys.exit(0)")
    )
    async with supervise([("web", code, 10)]) as running:
        await running.shows("web| last")
        assert "web| \N{REPLACEMENT CHARACTER}\n" in running.text
        assert running.text.count("x") >= 200_000
