"""Lines from standard input, read without blocking the event loop."""

import asyncio
import os
import threading
from contextlib import suppress


class Keyboard:
    """The lines of a file descriptor, whatever it is: a terminal, a pipe or a file.

    A thread reads it, because neither a file nor a terminal can be awaited everywhere. The thread is a daemon and reads
    the bare descriptor: while it blocks there, it delays no exit and holds no lock.
    """

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._ended = False
        threading.Thread(target=self._read, name="keyboard", daemon=True).start()

    async def line(self) -> str | None:
        """Return the next line without its end, or None when there are no more."""
        if self._ended:
            return None
        line = await self._lines.get()
        self._ended = line is None
        return line

    def _read(self) -> None:
        rest = b""
        while chunk := self._chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._give(line)
        if rest:
            self._give(rest)
        self._give(None)

    def _chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, 4096)
        except OSError:  # a terminal that was closed
            return b""

    def _give(self, line: bytes | None) -> None:
        text = None if line is None else line.decode(errors="replace").removesuffix("\r")
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._lines.put_nowait, text)
