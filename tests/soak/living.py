"""What callers may ask of the agent that happens later or elsewhere, and what the agent says of it by itself.

What is asked for is named by the number of the words that asked for it: `timer t3`, `activity a3`. What comes of it is
said in a sentence of its own, so that a caller can tell it from the answer to their words: `By itself: timer t3.`
"""

import asyncio
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.conversation.actions import (
    Action,
    CancelActivity,
    CancelTimer,
    Record,
    SendMessage,
    SetTimer,
    StartActivity,
    Transfer,
)
from orchestrator.conversation.turn import Turn

EFFECTS_FILE = "EFFECTS_FILE"
"""Environment variable: where the activity notes each of its effects."""
ASKED = ("timer", "activity", "text", "transfer", "record", "all")
LONGEST_TIMER_SECONDS = 3.0
LONGEST_WORK_SECONDS = 1.5
PERSON = "+15551112222"
TEXTED = ("+15550000001", "+15550000002")
OWN = ("signal", "timer", "activity")
FIRST_OWN_NUMBER = 30
_OWN_NUMBERS = {"signal": 30, "timer": 50, "activity": 70}
"""On a relay the words that are said by themselves have numbers, too: from here on, and that of what asked for them."""

_ASKED = re.compile(rf"\bplease ({'|'.join(ASKED)})\b")
_FORGET = re.compile(r"\bforget (\d+)\b")
_TOLD = re.compile(r"By itself: (\w+) ([\w-]+)\.")
_NUMBER = re.compile(r"\bnumber (\d+)\b")


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that was said by itself: the kind of the turn, and its name."""

    kind: str
    name: str

    @property
    def sentence(self) -> str:
        """As it is said."""
        return f"By itself: {self.kind} {self.name}."


def told_in(text: str) -> list[Told]:
    """All of them in a text, in order."""
    return [Told(kind, name) for kind, name in _TOLD.findall(text)]


def without_told(text: str) -> str:
    """The text without them."""
    return " ".join(_TOLD.sub(" ", text).split())


def asked_in(text: str) -> set[str]:
    """What these words ask for."""
    found = _ASKED.search(text)
    if found is None:
        return set()
    return {"timer", "activity", "text"} if found[1] == "all" else {found[1]}


def share_of(text: str) -> float:
    """From 0 to 1, always the same for the same words."""
    return zlib.crc32(text.encode()) % 1009 / 1008


def actions_for(turn: Turn) -> Iterator[Action]:
    """What the agent does for these words, beside answering them."""
    numbered = _NUMBER.search(turn.text)
    if numbered is None:
        return
    number, asked, share = int(numbered[1]), asked_in(turn.text), share_of(turn.text)
    if forgotten := _FORGET.search(turn.text):
        yield CancelTimer(f"t{forgotten[1]}")
        yield CancelActivity(f"a{forgotten[1]}")
    if "timer" in asked:
        yield SetTimer(f"t{number}", round(share * LONGEST_TIMER_SECONDS, 3), {"number": number})
    if "activity" in asked:
        arguments = {"call_sid": turn.call_sid, "number": number, "seconds": share * LONGEST_WORK_SECONDS}
        yield StartActivity("soak.living:work", arguments, name=f"a{number}", timeout_seconds=30, retries=5)
    if "text" in asked:
        yield SendMessage(TEXTED[number % len(TEXTED)], f"{turn.call_sid} {number}")
    if "transfer" in asked:
        yield Transfer(PERSON, ring_seconds=20)
    if "record" in asked:
        yield Record(max_seconds=30)


def own_number(kind: str, name: str) -> int:
    """The number of the words that are said by themselves on a relay."""
    return _OWN_NUMBERS[kind] + int(name[1:])


def said_by_itself(turn: Turn) -> str:
    """What the agent says to a turn that no words began. Of a transfer and a recording, what became of it."""
    match turn.kind:
        case "recorded":
            return Told("recorded", "message" if turn.data.get("url") else "nothing").sentence
        case "activity" if turn.data.get("result") != {"number": int(turn.text[1:])}:
            return Told("activity", f"{turn.text}-{turn.data.get('error', 'wrong')}").sentence
        case "timer" if turn.data != {"number": int(turn.text[1:])}:
            return Told("timer", f"{turn.text}-wrong").sentence
        case kind:
            return Told(kind, turn.text).sentence


async def work(call_sid: str, number: int, seconds: float, idempotency_key: str) -> dict[str, Any]:
    """The activity: has an effect, once for each key, and takes its time before and after it."""
    await asyncio.sleep(seconds / 2)
    note_effect(call_sid, number, idempotency_key)
    await asyncio.sleep(seconds / 2)
    return {"number": number}


def note_effect(call_sid: str, number: int, key: str) -> None:
    """One short line in one write: whole, whoever else writes, and there even if this process is killed next.

    The counter of effects is idempotent: lines with the same key are one effect.
    """
    with open(os.environ[EFFECTS_FILE], "ab", buffering=0) as effects:
        effects.write(f"{call_sid}\t{number}\t{key}\n".encode())
