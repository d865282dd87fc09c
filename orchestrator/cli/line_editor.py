"""The line that a person types at a terminal, echoed by us: it survives what is printed meanwhile."""

import codecs
from collections.abc import Callable, Iterator
from typing import NamedTuple

from orchestrator.cli.cells import columns_of

ERASE, ERASE_WORD, ERASE_ALL = ("\x7f", "\b"), "\x17", "\x15"
END_OF_INPUT, ESCAPE = "\x04", "\x1b"
DOT = "•"
"""Stands for a character that is not shown."""


class Line(NamedTuple):
    """A line of input, without its end. `was_shown`: it stands on the screen already."""

    text: str
    was_shown: bool = False


class LineEditor:
    """Edits one line after the other: characters, backspace, Ctrl-W and Ctrl-U. `write` prints on the screen.

    Keys that send escape sequences, such as arrows, do nothing. What a sensitive question is answered with is shown as
    dots.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self.text = ""
        """What was typed of a line that is not finished."""
        self._write = write
        self._is_shown = self._has_dots = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._in_escape = ""

    def show(self, *, as_dots: bool = False) -> None:
        """Echo from here on, beginning with what was typed already."""
        self._is_shown, self._has_dots = True, as_dots
        self._write(self._echo(self.text))

    def hide(self) -> None:
        """Echo no more: something else is printed now."""
        self._is_shown = False

    def feed(self, chunk: bytes) -> Iterator[Line | None]:
        """Yield the lines that these keys finish; None for Ctrl-D on an empty line, after which there is no more."""
        for key in self._decoder.decode(chunk):
            if self._in_escape or key == ESCAPE:
                self._follow_escape(key)
            elif key in "\r\n":
                yield self._finished()
            elif key == END_OF_INPUT:
                if not self.text:
                    yield None
            elif key in ERASE:
                self._erase(1)
            elif key == ERASE_WORD:
                self._erase(len(self.text) - self.text.rstrip().rfind(" ") - 1)
            elif key == ERASE_ALL:
                self._erase(len(self.text))
            elif key == "\t" or key.isprintable():
                self._add(" " if key == "\t" else key)

    def _finished(self) -> Line:
        line, self.text = Line(self.text, self._is_shown), ""
        if self._is_shown:
            self._write("\n")
        self.hide()
        return line

    def _add(self, key: str) -> None:
        self.text += key
        if self._is_shown:
            self._write(self._echo(key))

    def _erase(self, count: int) -> None:
        if not count or not self.text:
            return
        gone, self.text = self.text[-count:], self.text[:-count]
        if self._is_shown:
            self._write("\b \b" * sum(columns_of(character) for character in self._echo(gone)))

    def _echo(self, typed: str) -> str:
        return DOT * len(typed) if self._has_dots else typed

    def _follow_escape(self, key: str) -> None:
        """Skip an escape sequence: ESC and one key, or ESC [ or ESC O and all up to a letter or `~`."""
        self._in_escape += key
        is_long = self._in_escape[1:2] in ("[", "O")
        if len(self._in_escape) >= (3 if is_long else 2) and (not is_long or "@" <= key <= "~"):
            self._in_escape = ""
