"""How a worker starts, and how it stops before it has started."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.program import clean_environment
from support.servers import RedisServer, die_with_parent, free_port
from support.waiting import wait_until_sync

pytestmark = pytest.mark.processes

HEAP = """
import gc, sys
print(f"collects: {gc.isenabled()}, frozen: {gc.get_freeze_count() > 10_000}", file=sys.stderr, flush=True)
async def reply(turn, state):
    yield ""
"""

Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """`launch(USE_REDIS="true")` starts a worker and waits for nothing."""
    started: list[subprocess.Popen[str]] = []

    def start(**settings: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "workers"], cwd=tmp_path, env=clean_environment(**{"AGENT": "echo", **settings}),
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def has_modules(process: "subprocess.Popen[str]", *names: str) -> bool:
    """Return True if the process has mapped these files, as Linux reports."""
    text = Path(f"/proc/{process.pid}/maps").read_text() if process.poll() is None else ""
    return all(name in text for name in names)


@pytest.mark.parametrize("settings", [{}, {"USE_REDIS": "false"}])
def test_without_redis_a_worker_refuses_to_start(launch: Launch, settings: dict[str, str]) -> None:
    process = launch(**settings)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complaint.startswith("USE_REDIS is not true")
    assert complaint.count("\n") == 1


def test_a_worker_is_not_ready_before_redis_has_answered(launch: Launch) -> None:
    process = launch(USE_REDIS="true", REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    assert process.stderr is not None
    lines = []
    while "The worker waits for it" not in (line := process.stderr.readline()):
        lines.append(line)
        assert line, "".join(lines)
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Worker ready" not in "".join(lines) + rest


def test_garbage_is_collected_and_not_searched_for_among_what_was_imported(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "heap.py").write_text(HEAP)
    with RedisServer() as redis:
        process = launch(USE_REDIS="true", REDIS_URL=redis.url, AGENT="heap:reply")
        assert process.stderr is not None
        assert next(line for line in process.stderr if line.startswith("collects:")) == "collects: True, frozen: True\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="looks into the process with /proc")
def test_a_worker_stopped_while_it_imports_exits_with_0(launch: Launch) -> None:
    process = launch(USE_REDIS="true", REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    wait_until_sync(lambda: has_modules(process, "pydantic_core"), "it imports", 60)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
