"""A command of the product, run by a person at a terminal or by a script, as a real process."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from support import module_process
from support.module_process import Process
from support.waiting import wait_until

MODULE = "orchestrator.cli.main"
VOICEAGENT = [sys.executable, "-m", MODULE]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
CTRL_C, CTRL_D = "\x03", "\x04"


def environment(**settings: str) -> dict[str, str]:
    """The environment of this process without any setting of the product, and with `settings`."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"TERM": "xterm", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"} | settings


class Running:
    """A process that was started, and what it has written so far."""

    def __init__(self, process: Process, output: int) -> None:
        self.process = process
        self.text = ""
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(output, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._output, 65536)
        except OSError:  # a terminal whose last program has gone
            chunk = b""
        if not chunk:
            self._loop.remove_reader(self._output)
        self.text += chunk.decode(errors="replace")

    def type(self, text: str) -> None:
        """Type at the terminal."""
        os.write(self._output, text.encode())

    async def shows(self, text: str, timeout: float = 60) -> None:
        """Wait until `text` was written."""
        try:
            await wait_until(lambda: text in self.text, f"{text!r} is shown", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\nIt shows:\n{self.text}") from None

    def hang_up(self) -> None:
        """Read no more: what it writes from here on is an error to it."""
        self._loop.remove_reader(self._output)
        os.close(self._output)
        self._output = os.open(os.devnull, os.O_RDONLY)

    def look_away(self) -> None:
        """Read no more, and keep the pipe open: it fills up."""
        self._loop.remove_reader(self._output)

    async def exit_code(self, timeout: float = 60) -> int:
        """Wait for the end."""
        await wait_until(lambda: self.process.poll() is not None, f"it ends; it shows:\n{self.text}", timeout)
        return self.process.returncode

    def close(self) -> None:
        """Kill it, with everything in its session, if it still runs."""
        self._loop.remove_reader(self._output)
        os.close(self._output)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)


@asynccontextmanager
async def at_a_terminal(
    *arguments: str, cwd: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """`voiceagent ARGUMENTS` in a terminal of its own."""
    ours, theirs = pty.openpty()
    try:
        process = module_process.start(
            MODULE, *arguments, directory=cwd, environment=environment(**(settings or {})), new_session=True,
            controls_terminal=True, input=theirs, output=theirs, errors=theirs,
        )  # fmt: skip
    finally:
        os.close(theirs)
    running = Running(process, ours)
    try:
        yield running
    finally:
        running.close()


@asynccontextmanager
async def in_the_background(
    *command: str, cwd: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """Any command, its output read through a pipe."""
    read, write = os.pipe()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=write,
        cwd=cwd,
        env=environment(**(settings or {})),
        start_new_session=True,
    )
    os.close(write)
    running = Running(process, read)
    try:
        yield running
    finally:
        running.close()


async def run_script(
    *arguments: str, cwd: Path, script: str = "", settings: Mapping[str, str] | None = None, timeout: float = 120
) -> tuple[int, str, str]:
    """`voiceagent ARGUMENTS` with `script` on standard input: exit code, output, errors."""
    (given, ours), (read_output, output), (read_errors, errors) = _pipe(), _pipe(), _pipe()
    with read_output, read_errors:
        with given, output, errors:
            with ours:
                ours.write(script.encode())  # the pipe holds it
            process = module_process.start(
                MODULE, *arguments, directory=cwd, environment=environment(**(settings or {})),
                input=given.fileno(), output=output.fileno(), errors=errors.fileno(),
            )  # fmt: skip
        try:
            async with asyncio.timeout(timeout):
                said = await asyncio.gather(*(asyncio.to_thread(each.read) for each in (read_output, read_errors)))
                code = await asyncio.to_thread(process.wait, timeout)
        finally:
            process.kill()
            process.wait()
    return code, said[0].decode(), said[1].decode()


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    """Where to read, and where to write."""
    ours, theirs = os.pipe()
    return open(ours, "rb"), open(theirs, "wb")
