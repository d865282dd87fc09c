"""`python -m web` as a process: how it starts, serves and exits."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.servers import die_with_parent, free_port
from support.waiting import wait_until_sync

pytestmark = pytest.mark.processes

SLOW_AGENT = """
import asyncio
from pathlib import Path

async def reply(turn, state):
    if turn.kind == "speech":
        Path("running").touch()
        while not Path("go").exists():
            await asyncio.sleep(0.01)
    yield "Done."
"""
CALL = {"CallSid": "CA1", "From": "+1", "To": "+2"}


StartWeb = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start_web(tmp_path: Path) -> Iterator[StartWeb]:
    """Start `python -m web` with this environment in an empty directory. Return the process and its URL."""
    started: list[subprocess.Popen[str]] = []

    def start(*, descriptors: int | None = None, **environment: str) -> tuple[subprocess.Popen[str], str]:
        port = free_port()

        def prepare() -> None:
            die_with_parent()
            if descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        process = subprocess.Popen(
            [sys.executable, "-m", "web"],
            cwd=tmp_path,
            env={**keep, "PYTHONPATH": str(tmp_path), "PORT": str(port), "AGENT": "echo", **environment},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            preexec_fn=prepare,
        )
        started.append(process)
        return process, f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.kill()
        process.communicate()


def answers(url: str) -> bool:
    try:
        return httpx.get(url + "/livez", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def await_answers(process: subprocess.Popen[str], url: str) -> None:
    wait_until_sync(lambda: answers(url) or process.poll() is not None, "the ingress answers", timeout=60)
    assert process.poll() is None, process.communicate()


def test_it_serves_calls_from_memory_and_leaves_with_0_on_sigterm(start_web):
    process, url = start_web()
    await_answers(process, url)
    greeting = httpx.post(url + "/twilio/voice", data=CALL, timeout=60)
    assert greeting.status_code == 200
    assert "<Gather" in greeting.text
    answer = httpx.post(url + "/twilio/turn/1", data={**CALL, "SpeechResult": "hello"}, timeout=60)
    assert "hello" in answer.text
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert f"Serving calls at {url}" in errors
    assert "Draining" in errors


def test_on_sigterm_the_request_at_hand_is_finished_and_no_new_one_accepted(start_web, tmp_path):
    (tmp_path / "slow_agent.py").write_text(SLOW_AGENT)
    process, url = start_web(AGENT="slow_agent:reply")
    await_answers(process, url)
    assert httpx.post(url + "/twilio/voice", data=CALL, timeout=60).status_code == 200
    heard: list[Any] = []

    def speak() -> None:
        body = {"turn_id": "t1", "text": "work"}
        heard.append(httpx.post(url + "/calls/chat/turns", json=body, timeout=60))

    caller = threading.Thread(target=speak)
    caller.start()
    wait_until_sync((tmp_path / "running").exists, "the agent works")
    process.send_signal(signal.SIGTERM)
    wait_until_sync(lambda: not answers(url), "nothing new is accepted")
    assert process.poll() is None
    (tmp_path / "go").touch()
    caller.join(timeout=60)
    _, errors = process.communicate(timeout=60)
    assert heard[0].json()["reply"]["text"] == "Done."
    assert process.returncode == 0, errors


def test_a_drain_is_bounded(start_web, tmp_path):
    (tmp_path / "slow_agent.py").write_text(SLOW_AGENT)
    process, url = start_web(AGENT="slow_agent:reply", DRAIN_TIMEOUT_SECONDS="1")
    await_answers(process, url)
    stream, body = {"Accept": "text/event-stream"}, {"text": "x"}
    with httpx.stream("POST", url + "/calls/c/turns", json=body, headers=stream, timeout=60):
        wait_until_sync((tmp_path / "running").exists, "the agent works")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


def test_told_to_leave_while_it_starts_it_leaves_at_once_with_0(start_web):
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    process, _ = start_web(USE_REDIS="true", REDIS_URL=nobody, LOG_FORMAT="json")
    assert process.stderr is not None
    for line in process.stderr:
        if "state.connecting" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert "web.started" not in log


def test_told_to_leave_it_is_not_ready_but_goes_on_listening_for_a_while(start_web):
    process, url = start_web(DRAIN_DELAY_SECONDS="300")
    await_answers(process, url)
    with httpx.Client(timeout=60) as kept_alive:
        assert kept_alive.get(url + "/readyz").status_code == 200
        process.send_signal(signal.SIGTERM)
        wait_until_sync(lambda: kept_alive.get(url + "/readyz").status_code == 503, "it is not ready")
        late = kept_alive.get(url + "/livez")
    assert (late.status_code, late.headers["connection"]) == (200, "close")
    assert "<Gather" in httpx.post(url + "/twilio/voice", data=CALL, timeout=60).text
    process.send_signal(signal.SIGTERM)  # again: at once
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


def test_forty_megabytes_of_header_lines_take_no_memory(start_web):
    process, url = start_web()
    await_answers(process, url)
    before = peak_megabytes(process.pid)
    line = b"x-filler: 0123456789\r\n"
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):  # it hangs up
            for _ in range(400):
                stranger.sendall(line * (100_000 // len(line)))
    assert answers(url)
    assert peak_megabytes(process.pid) - before < 40


def test_where_files_are_few_what_is_too_much_is_refused_in_words_and_logged(start_web):
    process, url = start_web(descriptors=200)
    await_answers(process, url)
    port = int(url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(150)]
        assert held[-1].recv(100).startswith(b"HTTP/1.1 503 ")
    wait_until_sync(lambda: answers(url), "there is room again")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert "The limit of open files (200) allows 100 connections" in log
    assert "Raise MAX_CONNECTIONS or the limit of open files" in log


def peak_megabytes(pid: int) -> float:
    """Return the peak memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) / 1024


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PORT": "many"}, "PORT"),
        ({"ENVIRONMENT": "production"}, "TWILIO_AUTH_TOKEN"),
        ({"AGENT": "no.such:agent"}, "AGENT"),
        ({"HOST": "nohost.invalid"}, "HOST: no address is known for 'nohost.invalid'"),
        ({"HOST": "192.0.2.1"}, "HOST: '192.0.2.1' is not an address of this machine"),
    ],
)
def test_a_setting_that_stops_it_is_named_and_the_status_is_2(start_web, environment, words):
    process, _ = start_web(**environment)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert words in errors
    assert "Traceback" not in errors


def test_garbage_is_collected_and_not_searched_for_among_what_was_imported(start_web, tmp_path):
    (tmp_path / "heap.py").write_text(
        "import gc, sys\n"
        "print('collects:', gc.isenabled(), 'frozen:', gc.get_freeze_count() > 10_000, file=sys.stderr, flush=True)\n"
        "async def reply(turn, state):\n    yield ''\n"
    )
    process, _ = start_web(AGENT="heap:reply")
    assert next(line for line in process.stderr if line.startswith("collects:")) == "collects: True frozen: True\n"


def test_the_log_holds_neither_words_nor_numbers_nor_query_strings(start_web):
    process, url = start_web()
    await_answers(process, url)
    form = {**CALL, "From": "+15558675310", "SpeechResult": "my secret words"}
    httpx.post(url + "/twilio/voice", data=form, timeout=60)
    httpx.post(url + "/twilio/turn/1?speech=sv-SE", data=form, timeout=60)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert "CA1" in log
    for secret in ("secret words", "5558675310", "sv-SE"):
        assert secret not in log


def test_in_production_it_serves_all_interfaces_and_believes_its_proxy():
    from support.ingress import settings_with

    from orchestrator.metrics import Metrics
    from web.app import create_app
    from web.connection_limits import ConnectionLimits
    from web.server import server_config

    limits = ConnectionLimits(Metrics(), total=10)
    settings = settings_with(environment="production", host=None)
    config = server_config(create_app(settings), settings, limits)
    assert (config.host, config.proxy_headers, config.forwarded_allow_ips) == ("0.0.0.0", True, "*")
    settings = settings_with(host=None)
    config = server_config(create_app(settings), settings, limits)
    assert (config.host, config.proxy_headers) == ("127.0.0.1", False)


def test_importing_the_ingress_brings_no_client_of_a_provider_or_a_queue():
    code = (
        "import sys, web.app; print([m for m in ('twilio.rest', 'arq', 'redis', 'cryptography') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_port_that_is_taken_is_named_in_one_sentence(start_web):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process, _ = start_web(PORT=str(port))
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors == f"PORT: another program uses {port} at 127.0.0.1. Stop it, or choose another port.\n"
