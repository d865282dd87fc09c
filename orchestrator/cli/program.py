"""A program that is kept running: started, its output forwarded, restarted when it dies, stopped in time."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cli import die_with_parent

LONGEST_LINE = 64 * 1024
STABLE_SECONDS = 60.0
"""A program that ran this long is stable. A module may take long to import, and fail at the end of it."""
MAX_FAILED_STARTS = 5
"""A program that ended this often in a row without becoming stable will not recover by a restart."""
MAX_KILLS = 20
"""The same for a program that was up, and was killed by SIGKILL or left as if told to: usually, a person did that."""
SET_UP_WRONGLY = 2
"""The exit code of web and workers stopped by a bad setting, such as AGENT: the next start would end in the same way.
"""

Print = Callable[[str, str], None]
"""Receives the name of a program and one line of its log."""


class CannotStart(Exception):
    """A program cannot be started. The message names it."""


@dataclass(frozen=True)
class Program:
    """What to run, and how long it may take to stop before it is killed."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = 10
    inherited: tuple[int, ...] = ()
    """File descriptors that it inherits."""
    directory: Path | None = None
    """Where it runs, if not where its keeper does."""


@dataclass(frozen=True, slots=True)
class RestartTimings:
    """When a program that has ended starts again, in seconds, and how often at most."""

    first_pause: float = 0.5
    longest_pause: float = 10.0
    started: float = 5.0
    """A program that ran this long is up: the next pause is short again."""
    most_failed_starts: int = MAX_FAILED_STARTS
    most_kills: int = MAX_KILLS


class ProcessKeeper:
    """Keeps one program running until `stop`. `say` prints what the keeper itself reports."""

    def __init__(self, program: Program, log: Print, say: Callable[[str], None], timings: RestartTimings) -> None:
        self.program = program
        self._timings = timings
        self._log = log
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()
        self._early_ends = 0
        self._unstable_ends = 0
        self._was_stable = False

    async def keep(self) -> None:
        """Run the program repeatedly. Return after `stop`; raise `CannotStart`."""
        clock = asyncio.get_running_loop().time
        try:
            while not self._stopping.is_set():
                begun = clock()
                code = await self._run_once()
                if not self._stopping.is_set():
                    await self._pause(code, clock() - begun)
        finally:
            self.kill()
            self._stopped.set()

    async def stop(self) -> None:
        """Ask the program to end, and kill it after its time. Return when it has ended."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
        try:
            await asyncio.wait_for(self._stopped.wait(), self.program.grace_seconds)
        except TimeoutError:
            self._say(f"{self.program.name} did not stop within {self.program.grace_seconds:g} s: killed")
            self.kill()
            await self._stopped.wait()

    def kill(self) -> None:
        """End the program, and all that it started, at once."""
        self._stopping.set()
        self._kill_group()

    def _kill_group(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _run_once(self) -> int:
        """Run the program to its end. Processes that it started and left end with it."""
        output, pipe, their_end = await _pipe()
        reading = asyncio.create_task(self._pass_on(output))
        try:
            process = await self._start(their_end)
            return await process.wait()
        finally:
            self._kill_group()
            await _finish(reading)
            pipe.close()

    async def _start(self, output: int) -> asyncio.subprocess.Process:
        try:
            # A session of its own: Ctrl-C reaches us alone, and we stop the programs in their order.
            process = self._process = await asyncio.create_subprocess_exec(
                *_dying_with_us(self.program.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.program.environment),
                pass_fds=self.program.inherited,
                cwd=self.program.directory,
                start_new_session=True,
            )
        finally:
            os.close(output)
        if self._stopping.is_set():  # asked to stop while it was starting
            process.terminate()
        return process

    async def _pass_on(self, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(LONGEST_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._log(self.program.name, line.decode(errors="replace"))
        if rest:
            self._log(self.program.name, rest.decode(errors="replace"))

    async def _pause(self, code: int, lasted_seconds: float) -> None:
        """Wait before the next start, longer after each early end. Raise `CannotStart`."""
        is_up = lasted_seconds >= self._timings.started
        self._was_stable |= lasted_seconds >= STABLE_SECONDS
        self._early_ends = 1 if is_up else self._early_ends + 1
        self._unstable_ends = 1 if lasted_seconds >= STABLE_SECONDS else self._unstable_ends + 1
        if code == SET_UP_WRONGLY and not self._was_stable:
            raise self._cannot_start(f"cannot start ({_how(code)})")
        if self._unstable_ends >= self._most_ends(code, is_up=is_up):
            raise self._cannot_start(f"ended {self._unstable_ends} times soon after its start ({_how(code)})")
        pause = min(self._timings.first_pause * 2 ** (self._early_ends - 1), self._timings.longest_pause)
        self._say(f"{self.program.name} ended ({_how(code)}); it starts again in {pause:g} s")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause)

    def _most_ends(self, code: int, *, is_up: bool) -> int:
        """Return how often a program may end so before it is stable. One that was told to leave was well, too."""
        was_meant = is_up and code in (0, -signal.SIGKILL)
        return self._timings.most_kills if was_meant else self._timings.most_failed_starts

    def _cannot_start(self, what: str) -> CannotStart:
        return CannotStart(f"{self.program.name} {what}. Its log above says why; correct that and start again.")


def _dying_with_us(command: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-IS", str(Path(die_with_parent.__file__)), str(os.getpid()), *command]


async def _pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, int]:
    """Return a pipe to read here, and its other end. asyncio's own would make `wait` wait for grandchildren."""
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb"))
    return reader, pipe, theirs


async def _finish(reading: "asyncio.Task[None]") -> None:
    """Read the last lines, with a deadline: a surviving grandchild may hold the pipe open."""
    with suppress(TimeoutError):
        await asyncio.wait_for(reading, 1)


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
