"""What a call shows on a terminal."""

import sys

import pytest

from orchestrator.cli.line_editor import Line, LineEditor
from orchestrator.cli.phone_screen import ERASE_LINE, PhoneScreen

PROMPT = "you   › "


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def _write(text: str) -> None:
    sys.stdout.write(text)


def test_a_note_from_elsewhere_waits_for_the_end_of_what_is_being_said(capsys) -> None:
    screen = PhoneScreen()
    screen.say_on("Wonderful, you ")
    screen.note_aside("[text message]")
    screen.say_on("are booked.")
    screen.end_utterance()
    assert shown(capsys).splitlines() == ["agent › Wonderful, you are booked.", "        [text message]"]


def test_a_note_that_waits_is_not_lost_with_the_call(capsys) -> None:
    screen = PhoneScreen()
    screen.say_on("Good")
    screen.note_aside("[text message]")
    screen.close()
    assert shown(capsys).splitlines() == ["agent › Good", "        [text message]"]


def test_the_prompt_comes_back_after_a_note(capsys) -> None:
    screen = PhoneScreen()
    screen.show_prompt()
    screen.note_aside("(note)")
    assert shown(capsys) == f"{PROMPT}\n        (note)\n{PROMPT}"


def test_a_prompt_at_which_nothing_was_typed_leaves_no_trace(capsys) -> None:
    editor = LineEditor(_write)
    screen = PhoneScreen(editor)
    screen.show_prompt()
    screen.say("By the way.")
    screen.show_prompt()
    assert list(editor.feed(b"he")) == []
    screen.say("And more.")
    screen.show_prompt()
    assert shown(capsys) == (f"{PROMPT}{ERASE_LINE}agent › By the way.\n{PROMPT}he\nagent › And more.\n{PROMPT}he")


def test_a_line_is_shown_once(capsys) -> None:
    screen = PhoneScreen()
    screen.show_line(Line("typed unseen"), is_person=True)
    screen.show_line(Line("echoed", was_shown=True), is_person=True)
    screen.show_line(Line(""), is_person=False)
    assert shown(capsys).splitlines() == [f"{PROMPT}typed unseen", f"{PROMPT}(silence)"]


def test_the_answer_to_a_sensitive_question_is_not_shown(capsys) -> None:
    screen = PhoneScreen()
    screen.is_sensitive = True
    screen.show_line(Line("#4242"), is_person=False)
    screen.show_line(Line(""), is_person=False)
    screen.is_sensitive = False
    screen.show_line(Line("no, thanks"), is_person=False)
    assert shown(capsys).splitlines() == [f"{PROMPT}•••", f"{PROMPT}(silence)", f"{PROMPT}no, thanks"]
