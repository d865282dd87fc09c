"""What a call shows to a program: a line of JSON for each thing that is said or happens."""

import json
import sys

from orchestrator.cli.line_editor import Line
from orchestrator.provider_simulator import HungUp


class JsonScreen:
    """Prints a call as lines of JSON, with `event` and what belongs to it: the `PhoneScreen` of `voiceagent call
    --json`.

    What a sensitive question is answered with is not printed.
    """

    def __init__(self) -> None:
        self._words: list[str] = []
        self.is_sensitive = False
        """True if what the caller types now is not to be seen."""

    def begin(self, url: str, number: str, call_sid: str, *, is_person: bool) -> None:
        """Tell which call this is."""
        self._print("calling", url=url, from_number=number, call_sid=call_sid)

    def show_prompt(self) -> None:
        """Do nothing: a program knows when it speaks."""

    def show_line(self, line: Line, *, is_person: bool) -> None:
        """Print what the caller says; null if it is not to be seen."""
        self._print("caller_said", text=None if self.is_sensitive and line.text else line.text)

    def say(self, text: str) -> None:
        """Print what the agent has said."""
        self._print("agent_said", text=text)

    def say_on(self, text: str) -> None:
        """Keep the next words of what the agent is saying."""
        self._words.append(text)

    def end_utterance(self) -> None:
        """Print what the agent has said word by word."""
        if self._words:
            text, self._words = "".join(self._words), []
            self._print("agent_said", text=text)

    def note(self, text: str, *styles: str) -> None:
        """Print what happens besides talk."""
        self._print("note", text=text.strip("()"))

    def note_aside(self, text: str) -> None:
        """Print what happens elsewhere."""
        self.note(text)

    def complain(self, text: str) -> None:
        """Print what is wrong, and on standard error for people."""
        self._print("problem", text=text)
        print(text, file=sys.stderr, flush=True)

    def end(self, sentence: str, ended: HungUp) -> None:
        """Print how the call ended."""
        self._print("ended", by=ended.by, status=ended.status, seconds=ended.duration_seconds, text=sentence)

    def close(self) -> None:
        """Print what was not told to its end."""
        self.end_utterance()

    def _print(self, event: str, **fields: object) -> None:
        if event != "agent_said":
            self.end_utterance()
        print(json.dumps({"event": event, **fields}), flush=True)
