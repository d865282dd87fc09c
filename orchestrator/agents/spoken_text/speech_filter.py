"""`SpeechFilter`: from what a model writes to what is said."""

import re
from collections.abc import Callable, Iterable

from orchestrator.agents.spoken_text import line_marks, symbols
from orchestrator.agents.spoken_text.cursor import Cursor
from orchestrator.agents.spoken_text.emphasis import Emphasis, begins_address
from orchestrator.agents.spoken_text.links import Link, address_at, address_begins, link_at
from orchestrator.agents.spoken_text.regions import Brackets, Code, Region, Tagged
from orchestrator.agents.spoken_text.roles import region_after
from orchestrator.agents.spoken_text.tags import WAIT, Tag, tag_at
from orchestrator.agents.spoken_text.thoughts import UntaggedThoughts, opening_of
from orchestrator.agents.spoken_text.tool_text import ARGUMENTS, TextCall, begins_call, call_beginnings

PLAIN_FENCES = ("", "text", "txt", "plain", "plaintext", "markdown", "md")
_ESCAPABLE = frozenset("\\`*_{}[]<>#+-.!|~")
LONGEST_INFO = 60
FENCE = 3
LETTERS = re.compile(r"[a-zA-Z]+")


class SpeechFilter(Cursor):
    """Takes one reply in pieces, and returns what is to be said of it as soon as that is certain.

    Leaves out thoughts, special tokens, code, emoji, and tool calls that were written instead of made; `calls` has
    these. Of Markdown, HTML and SSML the words stay, of links their text. `tools` are the names that a call may have.
    However a text is cut into pieces, the same is said of it. Holds back only the few characters that may begin
    something that is not said.
    """

    def __init__(self, tools: Iterable[str] = (), thoughts: UntaggedThoughts | None = None) -> None:
        super().__init__()
        self.calls: list[TextCall] = []
        self._names = call_beginnings(tools)
        self._thoughts = thoughts or UntaggedThoughts()
        self._is_opening, self._looked_at = True, 0
        self._doubtful: Tagged | None = None  # text that is held back because it may be thoughts
        self._region: Region | None = None
        self._emphasis = Emphasis()
        self._fence = ""
        self._is_block = False

    def feed(self, piece: str) -> str:
        """Add `piece`, and return what can be said now."""
        self._text = self._text[self._at :] + piece
        self._at, self._final = 0, False
        return self._said()

    def pause(self) -> str:
        """Return what was held back, before an action. A region that is not said continues after it."""
        self._final = True
        return self._said()

    def end(self) -> str:
        """End the reply, and return what was held back."""
        self._final = True
        said = self._said()
        if self._region is not None:
            self._out = []
            self._note(self._left(self._region))
            said += "".join(self._out)
        return said

    def _said(self) -> str:
        self._out = []
        if not self._is_opening or self._opened():
            while self._at < len(self._text) and self._step():
                pass
        return "".join(self._out)

    def _opened(self) -> bool:
        """True if it is known what the reply begins with."""
        if self._doubtful is None:
            opening = "thoughts" if self._thoughts.are_usual else opening_of(self._text, final=self._final)
            if opening != "thoughts":
                self._is_opening = opening == "undecided" and not self._final
                return not self._is_opening
            self._doubtful = Tagged(lambda tag: tag.kind == "thought")
        self._looked_at = self._doubtful.read(self._text, self._looked_at, final=self._final)
        tag = self._doubtful.found
        if tag is not None and tag.is_closing:
            self._at, self._is_gap, self._thoughts.are_usual = self._looked_at, True, True
        elif tag is None and not self._final:
            return False
        else:
            self._thoughts.are_usual = False
        self._is_opening = False
        return True

    def _step(self) -> bool:
        """Read one character or mark. Return False if more text must arrive first."""
        if self._region is not None:
            return self._read(self._region)
        character = self._text[self._at]
        if self._is_line_begin and (taken := self._line_begun(character)) is not None:
            return taken
        handler = _HANDLERS.get(character)
        if handler is not None:
            return handler(self)
        if letters := LETTERS.match(self._text, self._at):
            return self._say(letters[0]) if self._is_word else self._word(letters[0])
        if symbols.is_emoji(character) or (character == symbols.JOINER and symbols.is_emoji(self._before or "a")):
            return self._drop(1)
        return self._say(character)

    def _read(self, region: Region) -> bool:
        self._at = region.read(self._text, self._at, final=self._final)
        if region.is_over:
            self._note(self._left(region))
        return region.is_over

    def _left(self, region: Region) -> str:
        """Return what is said of a region that has ended."""
        self._region = None
        self.calls += region.calls()
        self._before, self._is_word = "", False
        said = region.said()
        self._is_gap = self._is_gap or not said
        return said

    def _begin(self, region: Region, length: int) -> bool:
        self._drop(length)
        self._region = region
        self._is_line_begin = False
        return True

    def _line_begun(self, character: str) -> bool | None:
        mark = line_marks.mark_at(self._text, self._at, final=self._final)
        if mark == "wait":
            return False
        if mark is None or isinstance(mark, str):
            return None
        self._is_block = self._is_block or mark.is_block
        self._drop(mark.end - self._at)
        self._note(mark.replacement)
        self._is_line_begin = character == ">"
        return True

    def _newline(self) -> bool:
        """End a line. A heading or a list item is a sentence: it gets a full stop."""
        if (self._is_block or line_marks.is_numbered(self._line)) and (self._last.isalnum() or self._last in "\"')"):
            self._note("." if self._last else "")
        if self._line.isspace() or not self._line:
            self._emphasis.reset()
        self._say("\n")
        self._line, self._is_line_begin, self._is_block = "", True, False
        return True

    def _word(self, letters: str) -> bool:
        """Read the beginning of a word, which may be the name of a tool, or an address."""
        for name in self._names.get(self._text[self._at], ()):
            if self._text.startswith(name, self._at):
                tool = name.removesuffix(ARGUMENTS)
                return self._begin(Brackets(tool.removesuffix("(")), len(name) - (tool == name))
            if self._is_begun(name):
                return False
        begins = address_begins(self._text, self._at, final=self._final)
        return self._say(letters) if begins is False else bool(begins) and self._address()

    def _address(self) -> bool:
        address = address_at(self._text, self._at, final=self._final)
        return isinstance(address, Link) and self._say(address.text, address.end - self._at)

    def _tag(self) -> bool:
        begins = address_begins(self._text, self._at + 1, final=self._final)
        if begins is not False and self._text[self._at] == "<":
            return bool(begins) and self._address_in_angles()
        tag = tag_at(self._text, self._at, final=self._final)
        if tag == WAIT:
            return False
        if not isinstance(tag, Tag):
            return self._say(self._text[self._at])
        length = tag.end - self._at
        if tag.kind == "break" and self._last and not self._last.isspace():
            self._note(" ")
        if tag.kind == "thought" and tag.is_closing:
            self._thoughts.are_usual = True
        region = region_after(tag)
        return self._begin(region, length) if region is not None else self._drop(length)

    def _address_in_angles(self) -> bool:
        address = address_at(self._text, self._at + 1, final=self._final)
        if not isinstance(address, Link):
            return False
        end = address.end + self._text.startswith(">", address.end)
        return self._say(address.text, end - self._at)

    def _marks(self) -> bool:
        """Read a run of stars, underscores or tildes."""
        mark, length = self._text[self._at], 1
        while self._text.startswith(mark, self._at + length):
            length += 1
        behind = self._behind(length)
        if behind is None:
            return False
        if mark == "~" and length >= FENCE:
            return self._fenced(length)
        if mark == "_" and not self._is_word:
            is_address = begins_address(self._text, self._at)
            if is_address or (is_address is None and not self._final):
                return bool(is_address) and self._say(mark * length)
        is_sum = mark == "*" and behind.isdecimal() and self._solid.isdecimal()
        if is_sum or not self._emphasis.is_mark(mark * length, self._before, behind):
            return self._say(mark * length)
        self._drop(length)
        self._is_word = False
        return True

    def _backticks(self) -> bool:
        length = 1
        while self._text.startswith("`", self._at + length):
            length += 1
        if self._behind(length) is None:
            return False
        return self._fenced(length) if length >= FENCE else self._drop(length)

    def _fenced(self, length: int) -> bool:
        """Read a fence. It contains code, which is not said, unless it is marked as text."""
        fence = self._text[self._at] * length
        if self._fence == fence:
            self._fence = ""
            return self._drop(length)
        start = end = self._at + length
        while end < len(self._text) and end - start < LONGEST_INFO and self._text[end] not in "\n{[":
            end += 1
        if end == len(self._text) and end - start < LONGEST_INFO and not self._final:
            return False
        if self._text[start:end].strip().lower() not in PLAIN_FENCES:
            return self._begin(Code(fence), end - self._at)
        self._fence = fence
        self._drop(end - self._at)
        return True

    def _bracket(self) -> bool:
        begun = self._begun_inside()
        if begun is None:
            return False
        is_call = begun == "{" or begins_call(self._names.get(begun, ()), self._text, self._at + 1, final=self._final)
        if is_call is not False:
            return is_call is True and self._begin(Brackets(), 0)
        link = link_at(self._text, self._at, final=self._final)
        tag = tag_at(self._text, self._at, final=self._final)
        if isinstance(tag, Tag):
            return self._tag()
        if link == "wait" or tag == WAIT:
            return False
        if not isinstance(link, Link):
            return self._say("[")
        self._drop(link.end - self._at)
        self._text, self._at = link.text + self._text[self._at :], 0  # the link's text may contain marks too
        self._before, self._is_word = "", False
        return True

    def _exclamation(self) -> bool:
        """Read `!`, which makes a link a picture if no sentence can end here."""
        is_picture = self._text.startswith("![", self._at)
        if self._before and not self._before.isspace():
            return self._say("!")
        if self._behind(1) is None:
            return False
        return self._drop(1) if is_picture else self._say("!")

    def _brace(self) -> bool:
        begun = self._begun_inside()
        if begun is None:
            return False
        return self._begin(Brackets(), 0) if begun == '"' else self._say("{")

    def _ampersand(self) -> bool:
        entity = symbols.entity_at(self._text, self._at)
        if entity is not None:
            return self._say(entity[0], entity[1] - self._at)
        if not self._final and symbols.may_become_entity(self._text, self._at):
            return False
        return self._say("&")

    def _backslash(self) -> bool:
        behind = self._behind(1)
        if behind is None:
            return False
        return self._say(behind, 2) if behind and behind in _ESCAPABLE else self._say("\\")


_HANDLERS: dict[str, Callable[[SpeechFilter], bool]] = {
    "\n": SpeechFilter._newline,
    "<": SpeechFilter._tag,
    "◁": SpeechFilter._tag,
    "*": SpeechFilter._marks,
    "_": SpeechFilter._marks,
    "~": SpeechFilter._marks,
    "`": SpeechFilter._backticks,
    "[": SpeechFilter._bracket,
    "!": SpeechFilter._exclamation,
    "{": SpeechFilter._brace,
    "&": SpeechFilter._ampersand,
    "\\": SpeechFilter._backslash,
}
