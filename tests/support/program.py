"""The product's programs as processes of their own, started as a person or a platform starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from support import module_process
from support.module_process import Process
from support.servers import die_with_parent
from support.waiting import wait_until_sync

from orchestrator.settings import Settings
from orchestrator.settings.otel import OtelSettings

Start = Callable[..., "Program"]


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without the product's variables, the tests' interpreter first in PATH."""
    fields = [*Settings.model_fields, *OtelSettings.model_fields]
    ours = {name.upper() for name in fields} | {"RENDER_EXTERNAL_URL"}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", **variables}


class Program:
    """A running program, with its output in a file: a module of the product by its name, or a command."""

    def __init__(self, command: list[str] | str, directory: Path, log: Path, environment: Mapping[str, str]) -> None:
        with log.open("wb") as output:
            self.process: Process = (
                module_process.start(
                    command, directory=directory, environment=environment, output=output.fileno(), new_session=True
                )
                if isinstance(command, str)
                else subprocess.Popen(
                    command,
                    cwd=directory,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
            )
        self._log = log

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def answer(self, url: str) -> httpx.Response | None:
        """What `url` answers; None while nobody listens."""
        assert self.process.poll() is None, f"it exited:\n{self.log}"
        try:
            return httpx.get(url, timeout=60)
        except httpx.TransportError:
            return None

    def wait_for(self, url: str, status: int = 200) -> httpx.Response:
        """The first answer of `url` with that status."""

        def answered() -> httpx.Response | None:
            answer = self.answer(url)
            return answer if answer is not None and answer.status_code == status else None

        found = wait_until_sync(answered, f"{url} answers {status}", timeout=60)
        assert found is not None
        return found

    def stop(self) -> int:
        """Ask it to leave; its exit code. Twice is fine. Not SIGKILL: what it started would live on."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)


@contextmanager
def programs(logs: Path) -> Iterator[Start]:
    """`start(command, directory, environment)`; everything started is stopped at the end."""
    started: list[Program] = []

    def start(command: list[str] | str, directory: Path, environment: Mapping[str, str]) -> Program:
        started.append(Program(command, directory, logs / f"program-{len(started)}.log", environment))
        return started[-1]

    try:
        yield start
    finally:
        for program in started:
            program.stop()
