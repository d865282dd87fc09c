"""What keys do to the line that a person types, and what is seen of it."""

from unicodedata import east_asian_width

import pytest

from orchestrator.cli.line_editor import Line, LineEditor

SECOND_HALF = "‖"
"""Stands in the second column of a wide character."""


class Screen:
    """What a terminal shows of what was written."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.at = 0

    def write(self, text: str) -> None:
        for character in text.replace("\n", ""):
            if character == "\b":
                self.at -= 1
                continue
            shown = [character, SECOND_HALF] if east_asian_width(character) == "W" else [character]
            self.cells[self.at : self.at + len(shown)] = shown
            self.at += len(shown)

    @property
    def text(self) -> str:
        return "".join(self.cells).replace(SECOND_HALF, "").rstrip()


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("hello\n", "hello"),
        ("helo\x7flo\r", "hello"),
        ("\x7f\x7fa\n", "a"),
        ("one two\x17three\n", "one three"),
        ("one two  \x17three\n", "one three"),
        ("wrong\x15right\n", "right"),
        ("a\x1b[Ab\x1b[1;5Cc\x1bOPd\x1b[3~e\n", "abcde"),
        ("\x1bxa\n", "a"),
        ("a\tb\x00\x01c\n", "a bc"),
        ("Zoë 東京\x7f\n", "Zoë 東"),
        ("\n", ""),
    ],
)
def test_keys_make_a_line(keys: str, line: str) -> None:
    screen = Screen()
    editor = LineEditor(screen.write)
    editor.show()
    found = [finished for key in keys.encode() for finished in editor.feed(bytes([key]))]
    assert found == [Line(line, was_shown=True)]
    assert editor.text == ""
    assert screen.text == line


def test_what_was_typed_unseen_is_shown_with_the_prompt() -> None:
    written: list[str] = []
    editor = LineEditor(written.append)
    assert list(editor.feed(b"one\ntw")) == [Line("one", was_shown=False)]
    assert written == []
    editor.show()
    assert list(editor.feed(b"o\nthree")) == [Line("two", was_shown=True)]
    assert "".join(written) == "two\n"
    assert editor.text == "three"


def test_ctrl_d_ends_the_input_on_an_empty_line_alone() -> None:
    editor = LineEditor(lambda text: None)
    assert list(editor.feed(b"a\x04")) == []
    assert list(editor.feed(b"\x7f\x04")) == [None]


@pytest.mark.parametrize(
    ("keys", "dots", "line"),
    [("42\x7f3\n", "••", "43"), ("東\x7f京\n", "•", "京"), ("a b\x17c\n", "•••", "a c"), ("wrong\x15ok\n", "••", "ok")],
)
def test_what_is_not_to_be_seen_is_shown_as_dots(keys: str, dots: str, line: str) -> None:
    screen = Screen()
    editor = LineEditor(screen.write)
    editor.show(as_dots=True)
    assert [finished for key in keys.encode() for finished in editor.feed(bytes([key]))] == [Line(line, was_shown=True)]
    assert screen.text == dots


def test_what_was_typed_ahead_is_shown_as_dots_too() -> None:
    written: list[str] = []
    editor = LineEditor(written.append)
    assert list(editor.feed(b"42")) == []
    editor.show(as_dots=True)
    assert "".join(written) == "••"
