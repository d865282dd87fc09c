"""Worker and web processes for tests: started as in production, awaited, killed, frozen, drained; logs at hand."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from support import module_process
from support.module_process import Process
from support.program import clean_environment
from support.servers import free_port
from support.waiting import wait_until_sync


class ProductProcess:
    """`python -m <module>` with a log of JSON lines in a file. Use it as a context manager.

    `agents` is a directory for PYTHONPATH, where a test's own agent lies; other `settings` are environment variables.
    A test that fails inside of the block prints the end of the log.
    """

    module = ""

    def __init__(self, directory: Path, *, redis_url: str, agents: Path | None = None, **settings: str) -> None:
        self.directory = directory
        self._log = directory / f"{self.module}-{id(self)}.log"
        self._environment = clean_environment(
            USE_REDIS="true", REDIS_URL=redis_url, LOG_FORMAT="json", LOG_LEVEL="INFO", PYTHONPATH=str(agents or ""),
        ) | settings  # fmt: skip
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """Its process id; it must have been started."""
        return self.process.pid

    @property
    def process(self) -> Process:
        """The process; it must have been started."""
        assert self._process is not None, f"{self.module} was never started"
        return self._process

    @property
    def log(self) -> str:
        """Everything it has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def events(self, action: str = "") -> list[dict[str, Any]]:
        """The events of the log, perhaps only those of one `action`."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if not action or line.get("action") == action]

    def start(self) -> "ProductProcess":
        """Start, and return when it is ready to work."""
        with self._log.open("ab") as log:
            self._process = self.launch(self._environment, log.fileno())
        wait_until_sync(
            lambda: self.is_ready() or self.process.poll() is not None, f"{self.module} is ready:\n{self.log}", 60
        )
        assert self.process.poll() is None, f"{self.module} did not start:\n{self.log}"
        return self

    def launch(self, environment: dict[str, str], output: int) -> Process:
        """Start it, with its log in `output`."""
        return module_process.start(self.module, directory=self.directory, environment=environment, output=output)

    def is_ready(self) -> bool:
        """Whether it can be given work."""
        raise NotImplementedError

    @property
    def is_running(self) -> bool:
        """Whether the process lives (a frozen one does)."""
        return self._process is not None and self._process.poll() is None

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, signum)

    def kill(self) -> None:
        """As if the machine were gone."""
        self.send(signal.SIGKILL)
        self.process.wait(30)

    def freeze(self) -> None:
        """SIGSTOP."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM: leave when what is at hand is done."""
        self.send(signal.SIGTERM)

    def wait_exit(self, timeout: float = 90) -> int:
        """Its exit status."""
        return self.process.wait(timeout)

    def wait_for_event(self, action: str, timeout: float = 60) -> dict[str, Any]:
        """The first event of `action`."""
        return wait_until_sync(lambda: self.events(action), f"{self.module} logs {action}:\n{self.log}", timeout)[0]

    def __enter__(self) -> Any:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self.kill()
        if kind is not None:
            print(f"--- {self.module} {self.pid}\n{self.log[-6000:]}")  # noqa: T201


class WorkerProcess(ProductProcess):
    """`python -m workers`."""

    module = "workers"

    def is_ready(self) -> bool:
        """It has said so."""
        return bool(self.events("worker.ready"))


class WebProcess(ProductProcess):
    """`python -m web` on a port of its own."""

    module = "web"

    def __init__(self, directory: Path, *, redis_url: str, agents: Path | None = None, **settings: str) -> None:
        self.port = int(settings.setdefault("PORT", str(free_port())))
        super().__init__(directory, redis_url=redis_url, agents=agents, **settings)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """It answers."""
        try:
            return httpx.get(f"{self.url}/livez", timeout=30).status_code == 200
        except httpx.TransportError:
            return False


Start = Callable[..., WorkerProcess]


@contextlib.contextmanager
def worker_processes(directory: Path, **options: Any) -> Iterator[Start]:
    """`start(AGENT="…")` starts a worker; all that still run are killed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(WorkerProcess(directory, **{**options, **settings}))
