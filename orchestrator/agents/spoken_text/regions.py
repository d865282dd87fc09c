"""Regions of a model's text that are not said: thoughts, code, and tool calls written as text.

A region reads as much of the text as has arrived. However long it gets, it keeps `LONGEST_CALL` characters at most.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from orchestrator.agents.spoken_text.tags import WAIT, Tag, tag_at
from orchestrator.agents.spoken_text.tool_text import LONGEST_CALL, TextCall, calls_in, calls_of_tokens

_PAIRS = {"{": "}", "[": "]", "(": ")"}


class Region(ABC):
    """A region that is not said. `is_over` becomes True when its end was found."""

    is_over = False

    @abstractmethod
    def read(self, text: str, at: int, *, final: bool) -> int:
        """Read `text` from `at` on, and return how far it was read."""

    def calls(self) -> list[TextCall]:
        """Return the calls that the region contains."""
        return []

    def said(self) -> str:
        """Return what is to be said of the region after all, as it was written."""
        return ""


class Tagged(Region):
    """The text up to a tag for which `ends` is true: thoughts, or words of another role. The tag may be left to the
    filter.
    """

    def __init__(self, ends: Callable[[Tag], bool], *, leaves_tag: bool = False) -> None:
        self._ends = ends
        self._leaves_tag = leaves_tag
        self.found: Tag | None = None

    def read(self, text: str, at: int, *, final: bool) -> int:
        """Read up to the tag."""
        while at < len(text):
            start = min((found for mark in "<[◁" if (found := text.find(mark, at)) >= 0), default=len(text))
            self._passed(text[at:start])
            at = start
            if at == len(text):
                break
            tag = tag_at(text, at, final=final)
            if tag == WAIT:
                break
            if isinstance(tag, Tag) and self._ends(tag):
                self.is_over, self.found = True, tag
                return at if self._leaves_tag else tag.end
            self._passed(text[at])
            at += 1
        return at

    def _passed(self, text: str) -> None:
        """Note text that was read."""


class Thoughts(Tagged):
    """Thoughts, and thoughts inside them.

    A thought may also mention the tag without closing it. So the text after the first closing tag is kept until it is
    known whether it is thought too. If it is not, it is said at the end.
    """

    def __init__(self) -> None:
        super().__init__(self._is_end)
        self._depth = 1
        self._kept = ""
        self._is_kept = False

    def _is_end(self, tag: Tag) -> bool:
        if tag.kind == "thought":
            self._depth += -1 if tag.is_closing else 1
            self._is_kept = self._is_kept or tag.is_closing
        return self._depth == 0

    def _passed(self, text: str) -> None:
        if self._is_kept and len(self._kept) <= LONGEST_CALL:
            self._kept += text

    def said(self) -> str:
        """Return the text after the closing tag, if it was the last one."""
        return "" if self._depth == 0 else self._kept.partition(">")[2]


class TokenCalls(Tagged):
    """Calls between special tokens."""

    def __init__(self, ends: Callable[[Tag], bool]) -> None:
        super().__init__(ends)
        self._read = ""

    def _passed(self, text: str) -> None:
        if len(self._read) <= LONGEST_CALL:
            self._read += text

    def calls(self) -> list[TextCall]:
        """Return the calls between the tokens."""
        return calls_of_tokens(self._read)


class TaggedCall(Tagged):
    """A call between tags."""

    def __init__(self, tag: Tag) -> None:
        super().__init__(lambda other: other.kind == "call" and other.is_closing and other.name == tag.name)
        named = tag.rest.removeprefix("name").strip(" =\"'")
        self._name = named if named.isidentifier() else ""
        self._read = ""

    def _passed(self, text: str) -> None:
        if len(self._read) <= LONGEST_CALL:
            self._read += text

    def calls(self) -> list[TextCall]:
        """Return the calls between the tags."""
        return calls_in(self._read, self._name)


class Code(Region):
    """A fenced block of code, up to the same fence."""

    def __init__(self, fence: str) -> None:
        self._fence = fence
        self._read = ""

    def read(self, text: str, at: int, *, final: bool) -> int:
        """Read up to the fence."""
        end = text.find(self._fence, at)
        stop = end if end >= 0 else (len(text) if final else max(len(text) - len(self._fence) + 1, at))
        if len(self._read) <= LONGEST_CALL:
            self._read += text[at:stop]
        self.is_over = end >= 0
        return end + len(self._fence) if end >= 0 else stop

    def calls(self) -> list[TextCall]:
        """Return the calls that the block consists of."""
        return calls_in(self._read)


class Brackets(Region):
    """Text in brackets that may be a call: JSON, or the arguments after a tool's name.

    If it is not a call, it is said as it was written.
    """

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._read = ""
        self._open: list[str] = []
        self._quote = ""
        self._is_escaped = False

    def read(self, text: str, at: int, *, final: bool) -> int:
        """Read up to the bracket that closes the first one."""
        start = at
        while at < len(text) and not self.is_over:
            self._note(text[at])
            at += 1
            self.is_over = not self._open or len(self._read) + at - start > LONGEST_CALL
        self._read += text[start:at]
        return at

    def _note(self, character: str) -> None:
        if self._quote:
            if self._is_escaped:
                self._is_escaped = False
            elif character == "\\":
                self._is_escaped = True
            elif character == self._quote:
                self._quote = ""
        elif character == '"' or (character == "'" and self._name):
            self._quote = character
        elif character in _PAIRS:
            self._open.append(_PAIRS[character])
        elif self._open and character == self._open[-1]:
            self._open.pop()

    def calls(self) -> list[TextCall]:
        """Return the calls that the text consists of."""
        if self._name and self._read.startswith("{"):
            return calls_in(self._read, self._name)
        return calls_in(self._name + self._read)

    def said(self) -> str:
        """Return the text, if it is not a call."""
        return "" if self.calls() else self._name + self._read
