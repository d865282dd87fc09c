"""The supervisor and its processes without Redis, calls in the memory of each: starts, deaths, hangs and ends."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.supervised import PROCESSES, SupervisedWeb
from support.waiting import wait_until_sync

from web.processes.plan import Plan

pytestmark = pytest.mark.processes

AGENT = """
import asyncio, os
from pathlib import Path

if Path("broken").exists():
    os._exit(3)

async def reply(turn, state):
    if turn.text == "wait":
        Path("running").touch()
        while not Path("go").exists():
            await asyncio.sleep(0.01)
    yield "Done."
"""
Start = Callable[..., SupervisedWeb]


@contextmanager
def supervisors(directory: Path) -> Iterator[Start]:
    """`start(hung_seconds=2)` starts the supervisor with this plan on a socket of the test, and waits until it serves;
    `start(waits=False)` only starts it."""
    (directory / "own.py").write_text(AGENT)
    with ExitStack() as stack:

        def begin(*, waits: bool = True, **plan: Any) -> SupervisedWeb:
            bound = stack.enter_context(socket.socket())
            bound.bind(("127.0.0.1", 0))
            told = Plan(processes=PROCESSES, sockets=[bound.fileno()], drain_seconds=30, log_format="json", **plan)
            command = [sys.executable, "-m", "web.processes", told.as_argument()]
            web = SupervisedWeb(directory, command=command, agents=directory, USE_REDIS="false", AGENT="own:reply")
            web.inherited = (bound.fileno(),)
            if not waits:
                web.is_ready = lambda: True  # type: ignore[method-assign]
            stack.enter_context(web)
            bound.close()
            return web

        yield begin


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start supervisors in the directory of the test."""
    with supervisors(tmp_path) as begin:
        yield begin


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupervisedWeb]:
    """One that tests share. Each leaves it with all its processes."""
    with supervisors(tmp_path_factory.mktemp("shared")) as begin:
        yield begin()


def ended(web: SupervisedWeb, pid: int) -> dict[str, Any] | None:
    """The event of this process's end."""
    return next((event for event in web.events("web.process_ended") if event["pid"] == pid), None)


def starts(web: SupervisedWeb, name: str = "") -> int:
    """How often a process began to serve, all or those of one name."""
    return len([event for event in web.events("web.started") if name in ("", event["process"])])


def answers(url: str, timeout: float = 60) -> bool:
    try:
        return httpx.get(url + "/livez", timeout=timeout).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def asking_all_the_time(url: str) -> Iterator[list[str]]:
    """Ask over new connections, two at a time. What failed is in the list at the end."""
    failed: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                httpx.get(url + "/livez", timeout=60).raise_for_status()
            except httpx.HTTPError as error:
                failed.append(repr(error))

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        yield failed
    finally:
        done.set()
        for asker in askers:
            asker.join()


class Turn:
    """A text turn whose agent waits for the file `go`."""

    def __init__(self, url: str, directory: Path) -> None:
        self.answer: Any = None
        self._directory = directory
        self._thread = threading.Thread(target=self._ask, args=[url])
        self._thread.start()
        wait_until_sync((directory / "running").exists, "the agent works")

    def _ask(self, url: str) -> None:
        body = {"turn_id": "t1", "text": "wait"}
        self.answer = httpx.post(f"{url}/calls/chat/turns", json=body, timeout=60)

    def finish(self) -> str:
        (self._directory / "go").touch()
        self._thread.join(timeout=60)
        return str(self.answer.json()["reply"]["text"])


def test_one_that_hangs_is_replaced_while_the_others_answer(start):
    web = start(hung_seconds=3)
    pid = web.children()["web.1"]
    os.kill(pid, signal.SIGSTOP)
    assert answers(web.url)
    wait_until_sync(lambda: starts(web, "web.1") == 2, "another serves in its place")
    event = ended(web, pid)
    assert event is not None
    assert event["how"] == "its event loop was blocked for 3 s"


def test_the_supervisor_is_small(web):
    (line,) = (line for line in Path(f"/proc/{web.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    assert int(line.split()[1]) < 20_000


def test_one_that_cannot_start_again_is_tried_again_until_it_can(web):
    pid, before = web.children()["web.2"], starts(web, "web.2")
    (web.directory / "broken").touch()
    os.kill(pid, signal.SIGKILL)
    wait_until_sync(lambda: "exit code 3" in [e["how"] for e in web.events("web.process_ended")], "a start fails")
    assert answers(web.url)
    (web.directory / "broken").unlink()
    wait_until_sync(lambda: starts(web, "web.2") == before + 1, "another serves in its place")
    deaths = [event["how"] for event in web.events("web.process_ended")]
    assert deaths[0] == "killed by SIGKILL"
    assert set(deaths[1:]) == {"exit code 3"}


def test_on_sighup_all_are_replaced_one_by_one_and_no_request_is_lost(web):
    children, begun, deaths = web.children(), starts(web), len(web.events("web.process_ended"))
    turn = Turn(web.url, web.directory)
    with asking_all_the_time(web.url) as refused:
        web.send(signal.SIGHUP)
        wait_until_sync(lambda: starts(web) > begun, "a successor serves")
        assert turn.finish() == "Done."
        wait_until_sync(lambda: web.events("web.restarted"), "all were replaced")
    assert refused == []
    assert all(pid != children[name] for name, pid in web.children().items())
    assert starts(web) == begun + PROCESSES
    assert answers(web.url)
    assert len(web.events("web.process_ended")) == deaths


def test_a_successor_that_cannot_start_replaces_nobody(web):
    before = web.children()
    (web.directory / "broken").touch()
    web.send(signal.SIGHUP)
    wait_until_sync(lambda: web.events("web.restart_failed"), "the restart is stopped")
    (web.directory / "broken").unlink()
    assert web.children() == before
    assert answers(web.url)


def test_when_none_can_start_it_gives_up_with_their_exit_code(start, tmp_path):
    (tmp_path / "broken").touch()
    web = start(waits=False)
    assert web.wait_exit() == 3
    assert [event["how"] for event in web.events("web.process_ended")] == ["exit code 3"]
    assert web.events("web.processes_failed")


def test_on_sigterm_requests_are_finished_no_new_ones_accepted_and_it_leaves_with_0(start, tmp_path):
    web = start()
    children, url = web.children(), web.url
    turn = Turn(url, tmp_path)
    web.terminate()
    wait_until_sync(lambda: not answers(url, timeout=1), "nothing new is accepted")
    assert web.is_running
    assert turn.finish() == "Done."
    assert web.wait_exit() == 0
    assert {event["process"] for event in web.events("web.draining")} == set(children)
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())


def test_a_third_signal_kills_what_has_not_left(start):
    web = start()
    os.kill(web.children()["web.1"], signal.SIGSTOP)
    web.terminate()
    wait_until_sync(lambda: len(web.children()) == 1, "the other one has left")

    def is_gone() -> bool:
        web.terminate()  # the system makes one signal of two that come at once
        return not web.is_running

    wait_until_sync(is_gone, "it is gone")
    assert web.wait_exit() == 1


def test_when_the_supervisor_is_killed_its_processes_finish_what_they_have_and_leave(start, tmp_path):
    web = start()
    children, url = web.children(), web.url
    turn = Turn(url, tmp_path)
    web.kill()
    wait_until_sync(lambda: not answers(url, timeout=1), "nothing new is accepted")
    assert turn.finish() == "Done."
    wait_until_sync(lambda: not any(map(is_alive, children.values())), "all have left")
    assert "Traceback" not in web.log


def is_alive(pid: int) -> bool:
    """Whether it runs: an orphan whose new parent reaps nobody stays as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_where_one_was_reached_through_a_proxy_all_are_closed_also_those_that_start_later(start):
    web = start()
    assert calls_at(web, "web.1") == calls_at(web, "web.2") == 200
    httpx.get(web.url + "/livez", headers={"X-Forwarded-For": "203.0.113.9"}, timeout=60)
    for name in ("web.1", "web.2"):
        wait_until_sync(lambda name=name: calls_at(web, name) != 200, f"{name} is closed")
    os.kill(web.children()["web.1"], signal.SIGKILL)
    wait_until_sync(lambda: starts(web, "web.1") == 2, "another serves in its place")
    assert calls_at(web, "web.1") != 200


def calls_at(web: SupervisedWeb, name: str) -> int:
    """The status of `/calls` at this process: the others stand still meanwhile."""
    others = [pid for other, pid in web.children().items() if other != name]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        return httpx.get(web.url + "/calls", timeout=60).status_code
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)
