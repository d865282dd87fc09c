"""The agent that is told secrets: what it does with each is asked for in the turn before.

`please slot` asks for the way `slot`, `please slot quietly` for the same with a sensitive question. What it was told is
noted as a hash in a file, so that a run knows that the secret was planted.
"""

import hashlib
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from orchestrator import (
    Gather,
    HandOff,
    HangUp,
    Play,
    SendMessage,
    SetTimer,
    StartActivity,
    Transfer,
    Turn,
)
from orchestrator.conversation.state import ConversationState

TOLD_FILE = "TOLD_FILE"
"""Environment variable: where the agent notes the hashes of what it was told."""
CUE = "Go on."
"""With this a reply ends after which the caller speaks."""
QUESTION = "Tell me."
TEXTED = "+15550000001"
_ASKED = re.compile(r"please (\w+)( quietly)?")

Part = Any
Way = Callable[[str, ConversationState], Iterator[Part]]


async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """The agent `AGENT`, in a thread of the worker."""
    for part in _parts(turn, state):
        yield part


class Apart:
    """The same in a process of its own, which may die of it."""

    isolation = "process"

    async def reply(self, turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        for part in _parts(turn, state):
            yield part


async def second(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Who a call is handed to."""
    if turn.kind == "ended":
        return
    yield f"The second has it. {CUE}"


def _parts(turn: Turn, state: ConversationState) -> Iterator[Part]:
    if turn.kind == "ended":
        return
    if not turn.has_words:
        yield from _of_itself(turn, state)
        return
    if asked := _ASKED.fullmatch(turn.text.strip().rstrip(".")):
        state.slots.update(way=asked[1], quietly=bool(asked[2]), told=False)
        yield f"{QUESTION} {CUE}"
        yield Gather(sensitive=bool(asked[2]))
        return
    way = state.slots.get("way")
    if way is None:
        yield f"Hello. {CUE}"
    elif not state.slots.get("told"):
        state.slots["told"] = True
        note_told(turn.text)
        yield from WAYS[way](turn.text, state)
    else:
        yield from AFTERWARDS.get(way, _thanks)(turn.text, state)


def _of_itself(turn: Turn, state: ConversationState) -> Iterator[Part]:
    if turn.kind == "signal":
        note_told(str(turn.data.get("value", "")))
        yield f"A signal says {turn.data.get('value')}. {CUE}"
    elif turn.kind in ("timer", "activity"):
        yield f"The {turn.kind} has {turn.data}. {CUE}"
    elif turn.kind == "transferred":
        yield f"You are back from {turn.data.get('to')}. {CUE}"
    else:
        yield f"Hello. {CUE}"


def note_told(text: str) -> None:
    """Note that the secret arrived, without saying which it is."""
    with open(os.environ[TOLD_FILE], "ab", buffering=0) as file:
        file.write(hashlib.sha256(text.strip().encode()).hexdigest().encode() + b"\n")


def was_told(file: Path, text: str) -> bool:
    """Whether the agent has noted this text."""
    return hashlib.sha256(text.encode()).hexdigest() in file.read_text().split()


def _thanks(text: str, state: ConversationState) -> Iterator[Part]:
    yield f"Thank you. {CUE}"


def _slot(text: str, state: ConversationState) -> Iterator[Part]:
    state.slots["kept"] = text
    yield f"I keep it. {CUE}"


def _spaced(text: str, state: ConversationState) -> Iterator[Part]:
    state.slots["spaced"] = "-".join(text[at : at + 4] for at in range(0, len(text), 4))
    yield f"I keep it in fours. {CUE}"


def _nested(text: str, state: ConversationState) -> Iterator[Part]:
    state.slots["form"] = {"fields": [{"value": text}], "done": False}
    yield f"I fill it in. {CUE}"


def _repeat(text: str, state: ConversationState) -> Iterator[Part]:
    yield f"You said {text}. {CUE}"


def _repeat_kept(text: str, state: ConversationState) -> Iterator[Part]:
    yield f"It was {state.slots['kept']}. {CUE}"


def _repeat_at_length(text: str, state: ConversationState) -> Iterator[Part]:
    for number in range(40):
        yield f"Number {number}, you said {text}. "
    yield CUE


def _raise(text: str, state: ConversationState) -> Iterator[Part]:
    raise ValueError(f"no such thing: {text}")
    yield


def _die(text: str, state: ConversationState) -> Iterator[Part]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield


def _transfer(text: str, state: ConversationState) -> Iterator[Part]:
    yield "I connect you."
    yield Transfer(text, ring_seconds=5)


def _message(text: str, state: ConversationState) -> Iterator[Part]:
    yield SendMessage(TEXTED, f"Your code is {text}.")
    yield f"I sent it. {CUE}"


def _text_them(text: str, state: ConversationState) -> Iterator[Part]:
    yield SendMessage(text, "See you soon.")
    yield f"I wrote to them. {CUE}"


def _timer(text: str, state: ConversationState) -> Iterator[Part]:
    yield SetTimer("later", 0.3, {"value": text})
    yield f"Later. {CUE}"


def _activity(text: str, state: ConversationState) -> Iterator[Part]:
    yield StartActivity("canaries.script:look_up", {"value": text}, retries=1)
    yield f"I look it up. {CUE}"


def _failing_activity(text: str, state: ConversationState) -> Iterator[Part]:
    yield StartActivity("canaries.script:fail", {"value": text}, retries=0)
    yield f"I try. {CUE}"


def _hand_off(text: str, state: ConversationState) -> Iterator[Part]:
    yield HandOff("second", note=f"They said {text}")


def _to_model(text: str, state: ConversationState) -> Iterator[Part]:
    yield HandOff("model", note="go on")


def _play(text: str, state: ConversationState) -> Iterator[Part]:
    yield Play(f"https://media.example/{text}.mp3")
    yield f"That was it. {CUE}"


def _hang_up(text: str, state: ConversationState) -> Iterator[Part]:
    yield HangUp(reason=f"because {text}")


async def look_up(value: str) -> dict[str, Any]:
    """An activity that gives back what it got."""
    return {"found": value}


async def fail(value: str) -> dict[str, Any]:
    """One whose error quotes what it got."""
    raise ValueError(f"cannot find {value}")


WAYS: dict[str, Way] = {
    "keep": _thanks, "slot": _slot, "spaced": _spaced, "nested": _nested, "repeat": _repeat, "later": _slot,
    "long": _repeat_at_length, "raise": _raise, "die": _die, "transfer": _transfer, "message": _message,
    "recipient": _text_them, "timer": _timer, "activity": _activity, "failing": _failing_activity,
    "handoff": _hand_off, "model": _thanks, "play": _play, "hangup": _hang_up,
}  # fmt: skip
AFTERWARDS: dict[str, Way] = {"later": _repeat_kept, "model": _to_model}
