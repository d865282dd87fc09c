"""Chaos harms nothing but a deployment of one's own on this machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.servers import die_with_parent

from orchestrator import clock
from orchestrator.chaos.faults import iso
from orchestrator.chaos.local_process import ProcessGone, held, local_process
from orchestrator.chaos.ownership import NotOurs, check_target, own_processes
from orchestrator.settings import Settings

pytestmark = pytest.mark.processes

HERE = "http://127.0.0.1:8000"
HOST = socket.gethostname()
SLEEP = "import time; time.sleep(600)"


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **{"use_redis": True, "redis_url": "redis://127.0.0.1:6379/0", **given})


@pytest.mark.parametrize("url", ["redis://localhost", "redis://[::1]:6379", "unix:///tmp/a.sock", "rediss://127.0.0.1"])
def test_a_deployment_on_this_machine_may_be_harmed(url: str) -> None:
    check_target(HERE, settings(redis_url=url), is_mine=False)


@pytest.mark.parametrize(
    ("url", "given", "why"),
    [
        ("https://calls.example.com", {}, "is not on this machine"),
        ("http://10.0.0.7:8000", {}, "is not on this machine"),
        (HERE, {"redis_url": "redis://10.0.0.7:6379"}, "is not on this machine"),
        (HERE, {"redis_url": "redis://cache.example.com"}, "is not on this machine"),
        (HERE, {"redis_url": "redis-cluster://127.0.0.1:7000"}, "is several servers"),
        (HERE, {"redis_url": "redis-sentinel://127.0.0.1:26379/mymaster"}, "is several servers"),
        (HERE, {"use_redis": False}, "USE_REDIS is not true"),
    ],
)
def test_what_is_elsewhere_is_refused_whatever_one_says(url: str, given: dict[str, Any], why: str) -> None:
    with pytest.raises(NotOurs, match=why):
        check_target(url, settings(**given), is_mine=True)


def test_production_is_harmed_only_if_one_says_so() -> None:
    production = settings(environment="production", twilio_auth_token="token")
    with pytest.raises(NotOurs, match="--yes-this-is-mine"):
        check_target(HERE, production, is_mine=False)
    check_target(HERE, production, is_mine=True)


@pytest.fixture
def stand_in() -> Iterator[Any]:
    """`stand_in("workers")`: a process whose command line has that word."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, user: int | None = None, **variables: str) -> int:
        command = [sys.executable, "-c", SLEEP, *words] if user is None else ["/bin/sleep", "600"]
        environment = {"PATH": os.environ["PATH"], **variables}
        started.append(subprocess.Popen(command, env=environment, user=user, preexec_fn=die_with_parent))
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def report(pid: int, **other: Any) -> dict[str, Any]:
    told = {"id": "p1", "role": "worker", "host": HOST, "pid": pid, "started_at": iso(clock.now()), "state": "running"}
    return {**told, **other}


def own(*reports: dict[str, Any], is_mine: bool = False) -> list[int]:
    return [process.pid for process in own_processes(reports, HOST, is_mine=is_mine)]


def test_a_worker_and_an_ingress_that_run_here_are_ours(stand_in: Any) -> None:
    pids = [stand_in("workers"), stand_in("web.processes.child")]
    assert own(report(pids[0]), report(pids[1], role="ingress")) == pids


@pytest.mark.parametrize(
    ("words", "other", "why"),
    [
        (("workers",), {"host": "another"}, "is not on this machine"),
        (("workers",), {"started_at": iso(0)}, "it was started later"),
        (("web",), {}, "it is '"),
        (("workers",), {"role": "ingress"}, "it is '"),
    ],
)
def test_a_process_that_differs_from_its_report_is_refused(
    stand_in: Any, words: tuple[str, ...], other: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotOurs, match=why):
        own(report(stand_in(*words), **other), is_mine=True)


def test_a_process_that_is_not_there_is_refused(stand_in: Any) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(NotOurs, match="does not run here"):
        own(report(gone.pid))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a process of another user")
def test_a_process_of_another_user_is_refused(stand_in: Any) -> None:
    with pytest.raises(NotOurs, match="belongs to another user"):
        own(report(stand_in(user=65534)), is_mine=True)


@pytest.mark.parametrize("variable", [{"ENVIRONMENT": "production"}, {"RENDER": "true"}])
def test_a_process_in_production_is_harmed_only_if_one_says_so(stand_in: Any, variable: dict[str, str]) -> None:
    pid = stand_in("workers", **variable)
    with pytest.raises(NotOurs, match="--yes-this-is-mine"):
        own(report(pid))
    assert own(report(pid), is_mine=True) == [pid]


def test_a_number_that_another_process_has_by_now_is_not_signalled(stand_in: Any) -> None:
    process = local_process(stand_in("workers"))
    assert process is not None
    earlier = replace(process, ticks=process.ticks - 6000)
    with pytest.raises(ProcessGone), held(earlier):
        pass
    with held(process):
        pass
