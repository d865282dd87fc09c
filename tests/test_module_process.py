"""A process that is forked is as one that an interpreter was started for."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import module_process
from support.program import clean_environment
from support.skew import skewed
from support.waiting import wait_until_sync

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere interpreters are started"),
]

WITNESS = """
import asyncio, json, os, signal, sys, time

import helper

STREAMS = (sys.stdin, sys.stdout, sys.stderr)
seen = {
    "arguments": sys.argv, "name": __name__, "spec": __spec__.name, "path": sys.path, "helper": helper.__file__,
    "environment": dict(os.environ), "directory": os.getcwd(), "bytecode": sys.dont_write_bytecode, "zone": time.tzname,
    "session": os.getsid(0) == os.getpid(), "group": os.getpgrp() == os.getpid(),
    "descriptors": [fd for fd in range(64) if os.path.exists(f"/proc/self/fd/{fd}")],
    "handlers": [str(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)],
    "masked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "streams": [(s.encoding, s.errors, s.isatty(), s.fileno(), s.write_through) for s in STREAMS],
    "threads": len(os.listdir("/proc/self/task")), "modules": "web" in sys.modules, "typed": sys.stdin.read(0),
}
with open(sys.argv[1], "w") as file:
    json.dump(seen, file)
print("said")
print("complained", file=sys.stderr)
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the module `witness` is, and to be run."""
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    (tmp_path / "here" / "witness.py").write_text(WITNESS)
    (tmp_path / "there" / "helper.py").touch()
    return tmp_path / "here"


@pytest.fixture(params=["forked", "an interpreter of its own"])
def forks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the module `witness` is forked."""
    forks = request.param == "forked"
    if forks:
        monkeypatch.setitem(module_process.IMPORTED, "witness", ())
    return forks


def start(directory: Path, *arguments: str, **options: Any) -> module_process.Process:
    environment = clean_environment(PYTHONPATH=str(directory.parent / "there"), TZ="Asia/Tokyo", NAME="Müller")
    return module_process.start("witness", *arguments, directory=directory, environment=environment, **options)


@pytest.mark.parametrize("new_session", [False, True])
def test_it_finds_what_an_interpreter_would_find(
    directory: Path, new_session: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def witnessed() -> tuple[type, str, str]:
        with (directory / "said").open("wb") as said:
            process = start(directory, str(directory / "seen"), "3", output=said.fileno(), new_session=new_session)
            assert process.wait(60) == 3
        return type(process), (directory / "seen").read_text(), (directory / "said").read_text()

    kind, seen, said = witnessed()
    assert kind is subprocess.Popen
    assert said == "said\ncomplained\n"
    assert json.loads(seen)["session"] == new_session
    monkeypatch.setitem(module_process.IMPORTED, "witness", ())
    assert witnessed() == (module_process.ForkedProcess, seen, said)


def test_it_controls_the_terminal_that_it_is_given(directory: Path, forks: bool) -> None:
    ours, theirs = pty.openpty()
    (directory / "witness.py").write_text("print(input(open('/dev/tty').isatty()))\nimport time\ntime.sleep(600)")
    process = start(directory, input=theirs, output=theirs, errors=theirs, new_session=True, controls_terminal=True)
    os.close(theirs)
    os.set_blocking(ours, False)
    os.write(ours, b"typed\n")
    said = b""

    def has_answered() -> bool:
        nonlocal said
        with contextlib.suppress(BlockingIOError):
            said += os.read(ours, 1000)
        return said.count(b"typed") == 2  # its echo, and the answer

    wait_until_sync(has_answered, "it reads what is typed")
    assert b"True" in said
    os.write(ours, b"\x03")
    assert process.wait(60) == -signal.SIGINT
    os.close(ours)


def test_threads_that_ask_for_its_end_are_all_told(directory: Path, forks: bool) -> None:
    (directory / "witness.py").write_text("import time\ntime.sleep(600)")
    for _ in range(20):
        process = start(directory)
        with ThreadPoolExecutor(8) as threads:
            waiting = [threads.submit(process.wait, 60) for _ in range(4)]
            asking = [threads.submit(wait_until_sync, process.poll, "it ends") for _ in range(4)]
            process.kill()
            assert {end.result() for end in waiting + asking} == {-signal.SIGKILL}


def test_a_signal_is_its_status_and_a_wait_has_an_end(directory: Path, forks: bool) -> None:
    (directory / "witness.py").write_text("import time\ntime.sleep(600)")
    process = start(directory)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.terminate()
    assert (process.wait(60), process.poll(), process.returncode) == (-signal.SIGTERM,) * 3
    process.kill()  # is not sent to whoever has its number by now


def test_it_ends_with_its_server(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "witness.py").write_text("import time\ntime.sleep(600)")
    server = module_process.ForkServer((), clean_environment())
    monkeypatch.setitem(module_process.IMPORTED, "witness", ())
    monkeypatch.setattr(module_process, "server_for", lambda *_: server)
    process = start(directory)
    server.close()
    wait_until_sync(lambda: not Path(f"/proc/{process.pid}").exists(), "it is gone")


def test_the_clock_of_each_is_wrong_as_it_is_told(directory: Path, forks: bool) -> None:
    told = "from time import time, time_ns\nimport sys\nprint(time(), time_ns() / 1e9, file=open(sys.argv[1], 'w'))"
    (directory / "witness.py").write_text(told)
    for ahead in (600, -600):
        process = module_process.start(
            "witness", str(directory / "told"), directory=directory, environment=clean_environment(**skewed(ahead))
        )
        assert isinstance(process, module_process.ForkedProcess) == forks
        assert process.wait(60) == 0
        for moment in (directory / "told").read_text().split():
            assert abs(float(moment) - time.time() - ahead) < 300


def test_one_whose_interpreter_loads_something_is_not_forked(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit(7)")
    process = module_process.start("web", directory=tmp_path, environment=clean_environment(PYTHONPATH=str(tmp_path)))
    assert not isinstance(process, module_process.ForkedProcess)
    process.kill()
    process.wait(60)
