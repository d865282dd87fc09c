"""The agent that `voiceagent chaos --start` calls: what it says follows from the caller's words, so it can be checked.

It takes a moment for each answer, so that faults come in the middle of turns, and notes each turn that it answered in
the slot `seen`: a turn that ran twice is answered once, and is there once.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

from orchestrator.agents.protocol import Part
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.load.results import CallNote

NAME = "orchestrator.chaos.agent:answer"
SEEN = "seen"
GREETING = "Hello, this is a line for tests."
LONGEST_SECONDS = 0.5


def answer_to(words: str) -> str:
    """Return the right answer."""
    return f"You said: {words} And that was all."


async def answer(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Repeat what was said, word by word."""
    if turn.kind == "started":
        yield GREETING
    elif turn.kind == "speech":
        state.slots.setdefault(SEEN, []).append(turn.text)
        pieces = answer_to(turn.text).split(" ")
        for number, piece in enumerate(pieces):
            yield piece if number == 0 else f" {piece}"
            await asyncio.sleep(_seconds(turn.text) / len(pieces))


def _seconds(words: str) -> float:
    return zlib.crc32(words.encode()) % 1000 / 1000 * LONGEST_SECONDS


def complaints(call: CallNote, state: ConversationState) -> Iterator[str]:
    """Yield what is wrong with a call to this agent."""
    seen: list[str] = state.slots.get(SEEN, [])
    answered = [record.text for record in state.turns if record.kind == "speech" and record.outcome == "replied"]
    if len(set(seen)) != len(seen):
        yield f"{call.call_sid}: the agent took a turn twice: {seen}"
    elif [text for text in seen if text in answered] != answered:
        yield f"{call.call_sid}: the agent took {seen}, and replied to {answered}"
    kept = set(answered)
    for turn in call.turns:
        if turn.words in kept and turn.is_whole and turn.answer and turn.answer.count(answer_to(turn.words)) != 1:
            yield f"{call.call_sid}: {turn.words!r} was answered {turn.answer!r}"
