"""`voiceagent workers`: what it says of those that live, drain and are lost."""

import json
from pathlib import Path

import pytest
from support.programs import programs, ready
from support.servers import free_port
from support.terminal import run_script

from orchestrator import clock
from orchestrator.cli.colors import Colors
from orchestrator.cli.workers import lines
from orchestrator.processes.report import processes_of


class Plain(Colors):
    def __init__(self) -> None:
        self.enabled = False


def test_each_state_is_told_and_what_to_look_at() -> None:
    now = clock.now()
    busy = {"started_at": now - 3700, "running": 3, "slots": 10, "version": "blue", "agent": "echo"}
    leaving = {"started_at": now - 60, "running": 1, "slots": 10, "draining": True, "stuck_threads": 2}
    reports = {
        "w1": {"seen_at": now, "host": "anna", "pid": 7, **busy},
        "w2": {"seen_at": now, **leaving},
        "w3": {"seen_at": now - 30, "running": 5, "slots": 10},
        "w4\x1b[2J": {"seen_at": now, "slots": True},
        "i1": {"seen_at": now, "role": "ingress", "sockets": 1},
    }
    processes = [{**process, "missing_keys": []} for process in processes_of(reports, now)]
    processes[-2]["missing_keys"] = ["ab12"]
    table = list(lines(processes, Plain()))
    found = {line.split()[0]: line for line in table[1:6]}
    assert {name: line.split()[1:3] for name, line in found.items() if len(name) == 2} == {
        "i1": ["ingress", "running"], "w1": ["worker", "running"], "w2": ["worker", "draining"],
        "w3": ["worker", "lost"],
    }  # fmt: skip
    assert "anna:7" in found["w1"]
    assert "3 of 10 turns" in found["w1"]
    assert "1 socket" in found["i1"]
    assert "2 agents block their threads" in found["w2"]
    assert "silent for 30 s" in found["w3"]
    assert "lacks the keys ab12" in table[4]
    assert "\x1b" not in "".join(table)
    assert table[-1] == "3 workers alive, 4 of 20 turns at once."


@pytest.mark.processes
async def test_living_workers_are_listed_and_none_is_an_exit_code(tmp_path: Path, start_redis) -> None:
    redis, port = start_redis(), free_port()
    asked = {"USE_REDIS": "true", "REDIS_URL": redis.url}
    code, output, _ = await run_script("workers", cwd=tmp_path, settings=asked)
    assert (code, output.splitlines()) == (1, ["No worker is alive. Start one: python -m workers"])
    with programs(tmp_path, REDIS_URL=redis.url) as start:
        start("workers", WORKER_VERSION="blue")
        start("web", PORT=str(port))
        await ready(f"http://127.0.0.1:{port}")
        code, output, _ = await run_script("workers", "--json", cwd=tmp_path, settings=asked)
        found = {process["role"]: process for process in json.loads(output)}
        assert (code, found["worker"]["version"], found["worker"]["agent"]) == (0, "blue", "echo")
        assert found["ingress"]["state"] == "running"


@pytest.mark.processes
async def test_without_redis_it_says_what_to_set(tmp_path: Path) -> None:
    code, _, errors = await run_script("workers", cwd=tmp_path)
    assert code == 2
    assert "USE_REDIS" in errors
