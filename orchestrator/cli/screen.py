"""A whole terminal that a program draws on, and gives back as it was."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from orchestrator.cli.colors import Colors
from orchestrator.cli.top_frame import Line

ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""Another screen, without a cursor, and empty."""
LEAVE = "\x1b[?25h\x1b[?1049l"
BEGIN_UPDATE, END_UPDATE = "\x1b[?2026h", "\x1b[?2026l"
"""Terminals that know these show what is between at once; the others ignore them."""
_KEYS = {
    "\x1b[A": "up", "\x1bOA": "up", "k": "up", "\x1b[B": "down", "\x1bOB": "down", "j": "down", "\x1b[5~": "page up",
    "\x1b[6~": "page down", "\x1b[H": "home", "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end", "\r": "enter",
    "\n": "enter", "\x1b": "back", "\x1b[D": "back", "\x7f": "back", "q": "quit", "Q": "quit", "\x04": "quit",
}  # fmt: skip
_KEY = re.compile(r"\x1b[\[O][0-9;]*[@-~]|\x1b|.", re.DOTALL)


class Screen:
    """Draws lines on `stream`, a terminal. Only lines that have changed are written, so that nothing flickers."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colors = Colors(stream)
        self._shown: list[str] = []

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Take the terminal while the context lasts."""
        self._write(ENTER)
        try:
            yield
        finally:
            self._write(LEAVE)

    @property
    def size(self) -> tuple[int, int]:
        """Return the columns and rows."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except OSError:
            columns, rows = 80, 24
        return columns or 80, rows or 24

    def forget(self) -> None:
        """Draw everything anew next time: the terminal has another size."""
        self._shown = []
        self._write("\x1b[2J")

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines, from the top; nothing stays of those before."""
        wanted = [self._colors(text, style) if style else text for text, style in lines]
        changes = [
            f"\x1b[{row + 1};1H{text}\x1b[K"
            for row, text in enumerate(wanted)
            if row >= len(self._shown) or self._shown[row] != text
        ]
        if len(wanted) < len(self._shown):
            changes.append(f"\x1b[{len(wanted) + 1};1H\x1b[J")
        if changes:
            self._write(BEGIN_UPDATE + "".join(changes) + END_UPDATE)
        self._shown = wanted

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def keys_in(typed: str) -> list[str]:
    """Return the names of the keys that sent this; keys that mean nothing are left out."""
    return [_KEYS[key] for key in _KEY.findall(typed) if key in _KEYS]


def read_keys(on_key: Callable[[str], None]) -> None:
    """Call `on_key` with the name of each key that waits on standard input; at its end with `quit`."""
    try:
        typed = os.read(sys.stdin.fileno(), 1024)
    except (OSError, ValueError):  # the terminal has gone
        typed = b""
    for key in keys_in(typed.decode(errors="ignore")) if typed else ["quit"]:
        on_key(key)
