"""What was said in a call, as lines for a person."""

import shutil
import textwrap
from collections.abc import Iterator

from orchestrator.cli.colors import Colors
from orchestrator.conversation.actions import Action, HandOff, HangUp, Play, Record, SendDigits, SetVoice, Transfer
from orchestrator.conversation.state import ConversationState, TurnRecord

AGENT = "agent › "
CALLER = "you   › "
INDENT = " " * len(AGENT)
WIDEST = 100
NARROWEST = 20


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
    """Turns the state of a call into lines, with `timings` also when each turn reached its stages."""

    def __init__(self, state: ConversationState, colors: Colors, *, timings: bool = False) -> None:
        self._state = state
        self._colors = colors
        self._timings = timings

    def lines(self) -> list[str]:
        """Yield the call's heading, its turns, and its status."""
        state = self._state
        parties = f"{state.from_number or '?'} → {state.to_number or '?'}"
        begun = f"{state.created_at.astimezone():%Y-%m-%d %H:%M:%S}"
        whose = [text for text in (state.agent, state.tenant, state.worker_version) if text]
        head = " · ".join([f"Call {state.call_sid}", state.channel, parties, begun, *whose])
        turns = [line for record in state.turns for line in self._turn(record)]
        return [self._colors(printable(head), "dim"), "", *turns, "", *self._foot()]

    def _turn(self, record: TurnRecord) -> Iterator[str]:
        match record.kind:
            case "speech":
                yield from self._said(CALLER, record.text, "bold", "green")
            case "keys":
                yield from self._said(CALLER, "#" + record.digits, "bold", "green")
            case "silence":
                yield from self._said(CALLER, "(silence)", "bold", "green")
            case "interrupted":
                yield self._note("(interrupted)")
            case "transferred" | "recorded":
                yield self._note(_return(record))
        if record.heard_text:
            yield from self._said(AGENT, record.heard_text, "bold", "cyan")
        if record.heard is not None and record.heard != record.reply.text:
            yield self._note("(cut off here)")
        if record.outcome not in ("replied", "interrupted"):
            yield self._note(f"({record.outcome.replace('_', ' ')})")
        yield from (self._note(note) for action in record.reply.actions if (note := _inline_action(action)))
        if self._timings and record.timings:
            stages = " · ".join(f"{stage.replace('_', ' ')} {ms:g}" for stage, ms in record.timings.items())
            yield self._note(f"(ms: {stages})")

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


def _return(record: TurnRecord) -> str:
    """Return how a caller came back from a person, or what message they have left."""
    seconds = record.data.get("seconds", 0)
    if record.kind == "recorded":
        return f"(message of {seconds} s: {record.data.get('url') or 'none'})"
    return f"(back from {record.data.get('to', '')}: {record.text}, {seconds} s)"


def _inline_action(action: Action) -> str:
    match action:
        case Transfer():
            return f"(connected with {', '.join(action.targets)})"
        case Record():
            return "(a message is recorded)"
        case HandOff(agent=agent):
            return f"(handed to {agent})"
        case SetVoice(voice=voice):
            return f"(voice: {voice})"
        case Play(url=url):
            return f"(audio: {url})"
        case SendDigits(digits=digits):
            return f"(keys: {digits})"
        case HangUp():
            return "(hung up)"
    return ""
