"""Lines from standard input, read without blocking the event loop."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from orchestrator.cli.colors import TerminalPreferences
from orchestrator.cli.line_editor import Line, LineEditor


class Keyboard:
    """The lines of a file descriptor, whatever it is: a terminal, a pipe or a file.

    With an `editor`, which needs `unbuffered`, keys come as they are pressed; `on_keys` is called after each.

    A thread reads it, because neither a file nor a terminal can be awaited everywhere. The thread is a daemon and reads
    the bare descriptor: while it blocks there, it delays no exit and holds no lock.
    """

    def __init__(
        self,
        descriptor: int = 0,
        *,
        editor: LineEditor | None = None,
        is_echoed: bool = False,
        on_keys: Callable[[], None] = lambda: None,
    ) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[Line | None] = asyncio.Queue()
        self._split = editor.feed if editor is not None else _LineSplitter(is_echoed).feed
        self._on_keys = on_keys
        self._ended = False
        threading.Thread(target=self._read, name="keyboard", daemon=True).start()

    @property
    def has_line(self) -> bool:
        """True if `line` returns at once."""
        return self._ended or not self._lines.empty()

    async def line(self) -> Line | None:
        """Return the next line, or None when there are no more."""
        if self._ended:
            return None
        line = await self._lines.get()
        self._ended = line is None
        return line

    def _read(self) -> None:
        while chunk := self._chunk():
            self._call(chunk)
        self._call(b"")

    def _call(self, chunk: bytes) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._take, chunk)

    def _take(self, chunk: bytes) -> None:
        for line in self._split(chunk):
            self._lines.put_nowait(line)
        if not chunk:
            self._lines.put_nowait(None)
        self._on_keys()

    def _chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, 4096)
        except OSError:  # a terminal that was closed
            return b""


class _LineSplitter:
    """Cuts what a pipe, a file, or a terminal that edits by itself sends into lines."""

    def __init__(self, is_echoed: bool) -> None:
        self._is_echoed = is_echoed
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[Line | None]:
        """Yield the lines that this finishes; an empty chunk is the end of the input, which ends the last line."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk and self._rest:
            lines, self._rest = [self._rest], b""
        for line in lines:
            yield Line(line.decode(errors="replace").removesuffix("\r"), self._is_echoed)


@contextmanager
def unbuffered(descriptor: int = 0) -> Iterator[bool]:
    """Let a terminal send each key as it is pressed, and echo none, while the context lasts. Ctrl-C stays a signal.

    Yield whether it does: another kind of input, or a terminal that knows no such mode, is left as it is.
    """
    before = _settings_of(descriptor)
    if before is None:
        yield False
        return
    import termios

    *flags, local, input_speed, output_speed, characters = before
    each_key = [*characters]
    each_key[termios.VMIN], each_key[termios.VTIME] = 1, 0
    local &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, [*flags, local, input_speed, output_speed, each_key])
    try:
        yield True
    finally:
        with suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _settings_of(descriptor: int) -> "list[Any] | None":
    """Return the settings of a terminal on which lines can be edited; None for anything else."""
    if sys.platform == "win32" or not os.isatty(descriptor) or TerminalPreferences().term in ("", "dumb"):
        return None
    import termios

    try:
        return termios.tcgetattr(descriptor)
    except termios.error:
        return None
