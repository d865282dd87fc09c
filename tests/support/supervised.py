"""`python -m web` in several processes on one port that the system chooses: their supervisor, and they by name."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from support.module_process import Process
from support.processes import ProductProcess
from support.servers import die_with_parent

PROCESSES = 2


class SupervisedWeb(ProductProcess):
    """Ready when all processes serve. `command` takes the place of `python -m web`."""

    module = "web"

    def __init__(self, directory: Path, *, redis_url: str = "", command: list[str] | None = None, **settings: Any):
        options = {"WEB_PROCESSES": str(PROCESSES), "PORT": "0", "AGENT": "echo"}
        super().__init__(directory, redis_url=redis_url, **(options | settings))
        self.inherited: tuple[int, ...] = ()
        self._command = command or [sys.executable, "-m", "web"]

    def launch(self, environment: dict[str, str], output: int) -> Process:
        """Start it by an interpreter of its own: it becomes another program."""
        return subprocess.Popen(
            self._command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, pass_fds=self.inherited, preexec_fn=die_with_parent,
        )  # fmt: skip

    @property
    def url(self) -> str:
        """Where all of them answer."""
        (url,) = {event["message"].removeprefix("Serving calls at ") for event in self.events("web.started")}
        return str(url)

    def is_ready(self) -> bool:
        """All have said so."""
        return {event["process"] for event in self.events("web.started")} == {f"web.{n + 1}" for n in range(PROCESSES)}

    def children(self) -> dict[str, int]:
        """Name in the log → process id, of those that run now. The newest, where a process has a successor."""
        found = {}
        for pid in map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            except (FileNotFoundError, ProcessLookupError):  # it has ended since
                continue
            if "web.processes.child" in words:
                found[f"web.{words[words.index('web.processes.child') + 1]}"] = pid
        return found
