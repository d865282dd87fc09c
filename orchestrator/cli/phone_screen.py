"""What a call shows on a terminal: who said what, notes, and the prompt with what is being typed."""

import sys

from orchestrator.cli.colors import Colors
from orchestrator.cli.line_editor import DOT, Line, LineEditor
from orchestrator.cli.transcript import AGENT, CALLER, INDENT, wrapped
from orchestrator.cli.utterance import Utterance
from orchestrator.provider_simulator import HungUp

ERASE_LINE = "\r\x1b[K"
HIDDEN = DOT * 3
"""Stands for what a sensitive question was answered with, however long that was."""


class PhoneScreen:
    """Prints a call. With an `editor` it shows what the person types, while the prompt is there."""

    def __init__(self, editor: LineEditor | None = None) -> None:
        self._colors = Colors(sys.stdout)
        self._utterance = Utterance(self._colors)
        self._editor = editor
        self._is_prompting = False
        self._waiting_notes: list[str] = []
        self.is_sensitive = False
        """True if what the caller types now is not to be seen, like a password."""

    @property
    def is_prompting(self) -> bool:
        """True while the prompt waits for a line."""
        return self._is_prompting

    def begin(self, url: str, number: str, call_sid: str, *, is_person: bool) -> None:
        """Show which call this is, and to a person how to talk in it."""
        self._hint(f"Calling {url} as {number} · {call_sid}")
        if is_person:
            self._hint("Type what you say · #123 presses keys · empty line: silence · Ctrl-C: hang up")
        print(flush=True)

    def show_prompt(self) -> None:
        """Ask for a line."""
        self._break_off()
        print(self._colors(CALLER, "bold", "green"), end="", flush=True)
        self._is_prompting = True
        if self._editor is not None:
            self._editor.show(as_dots=self.is_sensitive)

    def show_line(self, line: Line, *, is_person: bool) -> None:
        """Show a line that the caller has entered, unless the terminal shows it already."""
        if line.was_shown:
            self._is_prompting = False
            self._utterance.broken()  # Enter has begun a new line
        else:
            shown = HIDDEN if self.is_sensitive and line.text else line.text or "(silence)"
            self._print(self._colors(CALLER, "bold", "green") if is_person else CALLER, shown)

    def say(self, text: str) -> None:
        """Show what the agent has said."""
        self._print(self._colors(AGENT, "bold", "cyan"), text)

    def say_on(self, text: str) -> None:
        """Show the next words of what the agent is saying."""
        if self._is_prompting:
            self._break_off()
        self._utterance.add(text)

    def end_utterance(self) -> None:
        """Note that the agent has finished."""
        self._utterance.end()
        notes, self._waiting_notes = self._waiting_notes, []
        for text in notes:
            self.note(text)

    def note(self, text: str, *styles: str) -> None:
        """Show what happens besides talk."""
        self._print(INDENT, text, *(styles or ("dim",)))

    def note_aside(self, text: str) -> None:
        """Show what happens elsewhere: after what the agent is saying, and without taking the prompt away."""
        if self._utterance.is_open:
            self._waiting_notes.append(text)
            return
        was_prompting = self._is_prompting
        self.note(text)
        if was_prompting:
            self.show_prompt()

    def complain(self, text: str) -> None:
        """Show what is wrong, on standard error."""
        self._break_off()
        sys.stdout.flush()
        print(Colors(sys.stderr)(text, "red"), file=sys.stderr, flush=True)

    def end(self, sentence: str, ended: HungUp) -> None:
        """Show how the call ended."""
        self._break_off()
        print()
        self._hint(sentence)

    def close(self) -> None:
        """Leave the prompt's line."""
        self._break_off()
        self.end_utterance()

    def _hint(self, text: str) -> None:
        print(self._colors(text, "dim"), flush=True)

    def _break_off(self) -> None:
        """Begin a new line, without a trace of a prompt at which nothing was typed."""
        if self._is_prompting:
            has_nothing_typed = self._editor is not None and not self._editor.text
            print(end=ERASE_LINE if has_nothing_typed else "\n", flush=True)
            if self._editor is not None:
                self._editor.hide()
        self._is_prompting = False
        self._utterance.end()

    def _print(self, label: str, text: str, *styles: str) -> None:
        """Print `text` after `label`, wrapped, with further lines aligned below the first."""
        self._break_off()
        for before, words in wrapped(label, text):
            print(before + self._colors(words, *styles), flush=True)
