"""Which processes chaos begins with: those that run, once what is reported of them is complete."""

import subprocess
import sys
from typing import Any

import pytest

from orchestrator import clock
from orchestrator.chaos.deployment import Deployment
from orchestrator.chaos.faults import iso

pytestmark = pytest.mark.processes

HOST = "here"


class Reports:
    """A client whose server reports what it is given, one answer after the other; the last one for ever."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self._answers = list(answers)

    async def processes(self) -> dict[str, Any]:
        return {"processes": self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]}


def report(pid: int, **other: Any) -> dict[str, Any]:
    told = {"id": f"p{pid}", "role": "worker", "host": HOST, "pid": pid, "started_at": iso(clock.now())}
    return {**told, "state": "running", "version": "", **other}


async def test_a_process_that_has_just_ended_is_waited_for_until_it_is_reported_no_more() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "workers"]) as running:
        try:
            both = [report(ended.pid), report(running.pid)]
            lost = [report(ended.pid, state="lost"), report(running.pid)]
            deployment = Deployment(Reports(both, both, lost), host=HOST, is_mine=True)  # type: ignore[arg-type]
            assert await deployment.begin({"worker": 1}) == {"worker": 1}
            assert deployment.pids() == [running.pid]
        finally:
            running.kill()
