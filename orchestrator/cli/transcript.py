"""What was said in a call, as lines for a person."""

import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator

from orchestrator.cli.colors import Colors
from orchestrator.cli.turn_notes import action_note, beginning_note
from orchestrator.conversation.state import ConversationState, TurnRecord

AGENT = "agent › "
CALLER = "you   › "
INDENT = " " * len(AGENT)
WIDEST = 100
NARROWEST = 20
Details = Callable[[TurnRecord, Colors], Iterable[str]]


def printable(text: str) -> str:
    """Return `text` without escape sequences: what a caller or a provider sent must not control the terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def wrapped(label: str, text: str) -> Iterator[tuple[str, str]]:
    """`text` as wide as the terminal allows: (what stands before, the words) for each line."""
    text = printable(" ".join(text.split()))
    width = min(shutil.get_terminal_size().columns, WIDEST) - len(INDENT)
    lines = textwrap.wrap(text, max(NARROWEST, width), break_on_hyphens=False) or [""]
    yield from ((INDENT if number else label, line) for number, line in enumerate(lines))


class Transcript:
    """Turns the state of a call into lines, with `timings` also when each turn reached its stages.

    `details` yields what else is shown of a turn.
    """

    def __init__(
        self, state: ConversationState, colors: Colors, *, timings: bool = False, details: Details | None = None
    ) -> None:
        self._state = state
        self._colors = colors
        self._timings = timings
        self._details = details

    def lines(self) -> list[str]:
        """Yield the call's heading, its turns, and its status."""
        state = self._state
        parties = f"{state.from_number or '?'} → {state.to_number or '?'}"
        begun = f"{state.created_at.astimezone():%Y-%m-%d %H:%M:%S}"
        whose = [text for text in (state.agent, state.tenant, state.worker_version) if text]
        head = " · ".join([f"Call {state.call_sid}", state.channel, parties, begun, *whose])
        turns = [line for record in state.turns for line in self._turn(record)]
        between = [] if turns and not turns[-1] else [""]
        return [self._colors(printable(head), "dim"), "", *turns, *between, *self._foot()]

    def _turn(self, record: TurnRecord) -> Iterator[str]:
        match record.kind:
            case "speech":
                yield from self._said(CALLER, record.text, "bold", "green")
            case "keys":
                yield from self._said(CALLER, "#" + record.digits if record.digits else record.text, "bold", "green")
            case "silence":
                yield from self._said(CALLER, "(silence)", "bold", "green")
            case _ if note := beginning_note(record):
                yield self._note(note)
        if record.heard_text:
            yield from self._said(AGENT, record.heard_text, "bold", "cyan")
        if record.heard is not None and record.heard != record.reply.text:
            yield self._note("(cut off here)")
        if record.outcome not in ("replied", "interrupted"):
            yield self._note(f"({record.outcome.replace('_', ' ')})")
        yield from (self._note(note) for action in record.reply.actions if (note := action_note(action)))
        if self._timings and record.timings:
            stages = " · ".join(f"{stage.replace('_', ' ')} {ms:g}" for stage, ms in record.timings.items())
            yield self._note(f"(ms: {stages})")
        if self._details is not None:
            yield from (INDENT + line for line in self._details(record, self._colors))
            yield ""

    def _said(self, label: str, text: str, *styles: str) -> Iterator[str]:
        for before, words in wrapped(label, text):
            yield self._colors(before, *styles) + words

    def _note(self, text: str) -> str:
        return INDENT + self._colors(printable(text), "dim")

    def _foot(self) -> list[str]:
        details = [f"{name}: {value}" for name, value in self._state.slots.items()]
        end = self._state.ended
        stands = "The call is active." if end is None else f"The call ended: {end.reason or end.status}."
        return [self._colors(printable(line), "dim") for line in (*details, stands)]
