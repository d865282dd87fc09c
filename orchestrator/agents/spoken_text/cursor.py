"""A filter's place in the text so far, and what it has said of it."""

MOST_BLANKS = 20
"""The most blanks between a bracket and what begins JSON."""


class Cursor:
    """A place in a text that is still arriving. What is read is said or dropped. Remembers the characters around the
    place.
    """

    def __init__(self) -> None:
        self._text, self._at, self._final = "", 0, False
        self._out: list[str] = []
        self._before = ""  # the character before, said or not
        self._solid = ""  # the last one that is not blank
        self._last = ""  # the character that was said last
        self._line = ""  # the beginning of the line
        self._is_line_begin, self._is_word, self._is_gap = True, False, False

    def _say(self, text: str, length: int | None = None) -> bool:
        """Say `text` in place of the next `length` characters."""
        self._take(len(text) if length is None else length)
        self._note(text)
        return True

    def _note(self, text: str) -> None:
        if not self._is_gap:
            self._out.append(text)
            self._last = text[-1:] or self._last
            return
        for character in text:
            is_space = character.isspace()
            if self._is_gap and is_space and (not self._last or self._last.isspace()):
                continue  # what was left out had blanks on both sides: say only one of them
            self._is_gap = self._is_gap and is_space
            self._out.append(character)
            self._last = character

    def _drop(self, length: int) -> bool:
        self._take(length)
        self._is_gap = True
        return True

    def _take(self, length: int) -> None:
        taken = self._text[self._at : self._at + length]
        self._at += length
        self._before = taken[-1:] or self._before
        self._solid = taken.rstrip()[-1:] or self._solid
        self._is_word = self._before.isalnum() or self._before == "_"
        self._is_line_begin = self._is_line_begin and taken.isspace()
        if len(self._line) < 8:
            self._line += taken

    def _behind(self, length: int) -> str | None:
        """Return the character after the next `length` ones; "" at the end, None if it has not arrived."""
        behind = self._text[self._at + length : self._at + length + 1]
        return behind if behind or self._final else None

    def _is_begun(self, whole: str) -> bool:
        return not self._final and len(self._text) - self._at < len(whole) and whole.startswith(self._text[self._at :])

    def _begun_inside(self) -> str | None:
        """Return the first character after a bracket that is not blank; None if it has not arrived."""
        begun = self._text[self._at + 1 : self._at + MOST_BLANKS].lstrip()
        return begun[:1] if begun or self._final or len(self._text) - self._at >= MOST_BLANKS else None
