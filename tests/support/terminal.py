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

from support.waiting import wait_until

VOICEAGENT = [sys.executable, "-m", "orchestrator.cli.main"]
# Ctrl-C reaches a program only through the terminal that controls its session.
AT_A_TERMINAL = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
CTRL_C, CTRL_D = "\x03", "\x04"


def environment(**settings: str) -> dict[str, str]:
    """The environment of this process without any setting of the product, and with `settings`."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE") if name in os.environ
    }
    return kept | {"TERM": "xterm", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"} | settings


class Running:
    """A process that was started, and what it has written so far."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
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
    command = [sys.executable, "-c", AT_A_TERMINAL, *VOICEAGENT, *arguments]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment(**(settings or {}))
    )
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
    process = await asyncio.create_subprocess_exec(
        *VOICEAGENT,
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=environment(**(settings or {})),
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(script.encode()), timeout)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(), errors.decode()
