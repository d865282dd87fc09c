"""Every command line that the deployment files name starts, serves and stops."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.program import Start, clean_environment, programs
from support.servers import free_port
from support.waiting import wait_until_sync

pytestmark = pytest.mark.processes


@pytest.fixture
def environment() -> dict[str, str]:
    return clean_environment()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with programs(tmp_path) as begin:
        yield begin


def test_honcho_starts_the_procfile_with_two_workers(
    start: Start, environment: dict[str, str], redis_url: str, repository: Path
) -> None:
    port = free_port()
    environment |= {"USE_REDIS": "true", "REDIS_URL": redis_url}
    # An empty file in place of .env: honcho would put a developer's own settings into the test.
    command = ["honcho", "start", "--port", str(port), "--env", os.devnull, "--concurrency", "worker=2"]
    honcho = start(command, repository, environment)

    honcho.wait_for(f"http://127.0.0.1:{port}/readyz")

    def both_workers() -> bool:
        answer = honcho.answer(f"http://127.0.0.1:{port}/health/detailed")
        return answer is not None and "2" in answer.json()["checks"]["workers"]["message"]

    wait_until_sync(both_workers, "two workers are alive")
    honcho.stop()
    for name in ("web.1", "worker.1", "worker.2"):
        assert f"{name} stopped (rc=0)" in honcho.log, honcho.log
    assert "Traceback" not in honcho.log


def test_the_image_serves_and_its_health_check_sees_it(
    start: Start, environment: dict[str, str], stages: list[list[Any]], tmp_path: Path
) -> None:
    rest = {instruction.word: instruction.rest for instruction in stages[-1]}
    health = json.loads(rest["HEALTHCHECK"].partition("CMD ")[2])
    given = dict(pair.split("=", 1) for pair in rest["ENV"].split() if not pair.startswith("PATH="))
    environment |= {**given, "PORT": str(free_port())}
    port = environment["PORT"]

    def probe() -> int:
        return subprocess.run(health, env=environment, capture_output=True, timeout=30, check=False).returncode

    assert probe() != 0, "nothing runs yet"
    web = start(json.loads(rest["CMD"]), tmp_path, environment)
    web.wait_for(f"http://127.0.0.1:{port}/livez")
    wait_until_sync(lambda: probe() == 0, "its health check sees it")
    assert web.stop() == 0, web.log


@pytest.mark.parametrize("program", ["web", "worker"])
@pytest.mark.parametrize(("agent", "says"), [
    ({"AGENT": "llm"}, "AGENT=llm needs LLM_MODEL"),
    ({"AGENT": "llm", "LLM_MODEL": "gpt-5-mini"}, "Set LLM_API_KEY"),
    ({"AGENT": "front_desk:answer"}, "there is no module 'front_desk' here"),
    ({"AGENT": "receptionst"}, "is not an agent"),
])  # fmt: skip
def test_both_programs_refuse_an_agent_that_cannot_answer(
    start: Start, environment: dict[str, str], blueprint: dict[str, Any], repository: Path, redis_url: str,
    program: str, agent: dict[str, str], says: str,
) -> None:  # fmt: skip
    service = next(service for service in blueprint["services"] if service["type"] == program)
    environment |= {"USE_REDIS": "true", "REDIS_URL": redis_url, "PORT": str(free_port()), **agent}
    refused = start(service["startCommand"].split(), repository, environment)
    assert refused.process.wait(120) == 2
    assert says in refused.log
    assert "Traceback" not in refused.log


def test_render_starts_no_ingress_without_a_token(
    start: Start, environment: dict[str, str], blueprint: dict[str, Any], repository: Path
) -> None:
    web = next(service for service in blueprint["services"] if service["type"] == "web")
    environment |= {"RENDER": "true", "PORT": str(free_port())}
    refused = start(web["startCommand"].split(), repository, environment)
    assert refused.process.wait(120) != 0
    assert "TWILIO_AUTH_TOKEN" in refused.log
    assert "Traceback" not in refused.log

    accepted = start(web["startCommand"].split(), repository, environment | {"TWILIO_AUTH_TOKEN": "a" * 32})
    accepted.wait_for(f"http://127.0.0.1:{environment['PORT']}{web['healthCheckPath']}")
    assert accepted.stop() == 0, accepted.log


READ_ONLY = """
import os, sys

WRITES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}

def refuse(event, arguments):
    writes = event in WRITES
    if event == "open":
        path, mode, flags = arguments
        writes = isinstance(path, (str, bytes)) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if writes and not os.fsdecode(arguments[0]).startswith(("/dev/", "/proc/self/", TMP)):
        print("WROTE", event, arguments, flush=True)
        raise OSError(30, "Read-only file system", arguments[0])

TMP = os.environ["TMPDIR"] + "/"
sys.addaudithook(refuse)
"""
"""A `sitecustomize` that makes all but TMPDIR as a read-only root makes it."""


@pytest.mark.parametrize("web_processes", ["1", "2"])
def test_the_programs_write_to_no_file_outside_of_tmp(
    start: Start, environment: dict[str, str], redis_url: str, tmp_path: Path, repository: Path, web_processes: str
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(READ_ONLY)
    port = free_port()
    environment |= {
        "USE_REDIS": "true", "REDIS_URL": redis_url, "PORT": str(port), "TMPDIR": str(tmp_path / "tmp"),
        "PYTHONPATH": str(tmp_path / "site"), "WEB_PROCESSES": web_processes, "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    web = start([sys.executable, "-m", "web"], repository, environment)
    worker = start([sys.executable, "-m", "workers"], repository, environment)
    web.wait_for(f"http://127.0.0.1:{port}/readyz")
    turn = {"turn_id": "t1", "text": "hello"}
    answer = httpx.post(f"http://127.0.0.1:{port}/calls/a/turns", json=turn, timeout=60)
    assert answer.json()["outcome"] == "replied", answer.text
    for program in (web, worker):
        program.stop()
        assert "WROTE" not in program.log, program.log
