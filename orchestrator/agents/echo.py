"""The built-in agent `echo`: says what it heard. For trying out telephones and channels."""

from collections.abc import AsyncIterator

from orchestrator.agents.protocol import Part
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

FAREWELLS = frozenset({"bye", "goodbye", "bye bye", "good bye"})
MAX_SILENCES = 3


async def echo(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Repeat what was said or keyed; hang up on "bye", and after three silences in a row."""
    if turn.is_own:
        yield _told(turn)
        return
    silences = state.slots.get("silences", 0) + 1 if turn.kind == "silence" else 0
    state.slots["silences"] = silences
    if turn.kind in ("started", "handed_off"):
        yield "Hello! "
        yield "Say something, and I will repeat it."
    elif turn.kind == "keys":
        yield f"You pressed {', '.join(turn.digits)}."
    elif turn.kind == "silence" and silences < MAX_SILENCES:
        yield "I heard nothing. " + ("Say something, or press a key." if silences == 1 else "Are you still there?")
    elif turn.kind == "silence" or _is_farewell(turn.text):
        yield "Goodbye!"
        yield HangUp()
    elif turn.kind == "speech":
        yield "You said: "
        yield turn.text or "nothing that I could make out."
    elif turn.kind == "interrupted":
        yield "Go on, I am listening."


def _told(turn: Turn) -> str:
    """Return what echo says to a turn that no words of the caller began."""
    match turn.kind:
        case "transferred":
            return f"You are back. The transfer ended with {turn.text}."
        case "recorded":
            return f"I have a message of {turn.data.get('seconds', 0)} seconds."
        case kind:
            return f"There is a {kind}: {turn.text}." if kind != "activity" else f"{turn.text} has ended."


def _is_farewell(text: str) -> bool:
    return text.lower().strip(" .,!?") in FAREWELLS
