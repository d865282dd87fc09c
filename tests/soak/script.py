"""The agent under test: what it says follows from the turn's text alone, so that a caller can check it.

On a relay each word also tells which turn it answers, which run of the agent has said it, and its place in the reply:
`07-3fa9-02` is the third word to the caller's number 7. With several agents a letter tells who says it: `07-3fa9-02b`.
"""

import asyncio
import os
import re
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from soak.living import OWN, actions_for, own_number, said_by_itself

from orchestrator.agents.protocol import Part
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

RUNS_FILE = "RUNS_FILE"
GREETING = "Hello, you are through to the script."
GOODBYE = "goodbye"
LONGEST_SECONDS = 0.4
WORDS = 16
"""How many words a reply on a relay has; each fourth ends a sentence."""
SENTENCE = 4
OWN_WORDS = 8
"""How many words a reply has that nobody's words began."""

_NUMBER = re.compile(r"number (\d+)")
_WORD = re.compile(r"(\d\d)-([0-9a-f]{4})-(\d\d)([a-z]?)")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a reply on a relay."""

    number: int
    run: str
    place: int
    speaker: str = ""

    @property
    def is_last(self) -> bool:
        """Whether it ends its reply."""
        return self.place == WORDS - 1


def words_in(text: str) -> list[Word]:
    """All of them, in their order."""
    return [Word(int(number), run, int(place), speaker) for number, run, place, speaker in _WORD.findall(text)]


def answer_to(text: str) -> str:
    """The right answer."""
    return f"You said {text}, and that was all."


def thinking_seconds(text: str) -> float:
    """How long the answer takes: 0 to 400 ms, always the same for the same words."""
    return zlib.crc32(text.encode()) % 1000 / 1000 * LONGEST_SECONDS


async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Repeat what was said, in several tokens; the effect on the state is one entry in `seen`."""
    note_run(turn)
    if state.channel == "relay":
        async for part in _marked(turn, state):
            yield part
    elif turn.kind == "started":
        yield GREETING
    elif turn.is_own:
        state.slots.setdefault("own", []).append(f"{turn.kind} {turn.text}")
        yield said_by_itself(turn)
    elif turn.kind == "speech":
        state.slots.setdefault("seen", []).append(turn.text)
        for action in actions_for(turn):
            yield action
        words = answer_to(turn.text).split(" ")
        for index, word in enumerate(words):
            yield word if index == 0 else f" {word}"
            await asyncio.sleep(thinking_seconds(turn.text) / len(words))
        if turn.text.endswith(GOODBYE):
            yield HangUp()


async def _marked(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    run = os.urandom(2).hex()
    if turn.kind in OWN:
        state.slots.setdefault("own", []).append(f"{turn.kind} {turn.text}")
        async for part in spoken_words(own_number(turn.kind, turn.text), run, range(OWN_WORDS), 0.05):
            yield part
    if turn.kind not in ("started", "speech"):
        return
    number = number_in(turn.text)
    if turn.kind == "speech":
        state.slots.setdefault("seen", []).append(turn.text)
        for action in actions_for(turn):
            yield action
    async for part in spoken_words(number, run, range(WORDS), thinking_seconds(turn.text)):
        yield part
    if turn.text.endswith(GOODBYE):
        yield HangUp()


def number_in(text: str) -> int:
    """The caller's number of these words; 0 for none."""
    said = _NUMBER.search(text)
    return int(said[1]) if said else 0


async def spoken_words(number: int, run: str, places: range, thinking: float, speaker: str = "") -> AsyncIterator[str]:
    """The words of a reply on a relay, at these places of it."""
    for place in places:
        stop = "." if place % SENTENCE == SENTENCE - 1 else ""
        yield f"{'' if place == 0 else ' '}{number:02}-{run}-{place:02}{speaker}{stop}"
        await asyncio.sleep(2 * thinking / WORDS)


def note_run(turn: Turn) -> None:
    """Which turn runs, in a worker of which version, when (by the clock of the machine).

    One short line in one write: whole, whoever else writes, and there even if this process is killed next.
    """
    with open(os.environ[RUNS_FILE], "ab", buffering=0) as runs:
        version = os.environ.get("WORKER_VERSION", "")
        runs.write(f"{turn.idempotency_key}\t{version}\t{time.monotonic():.3f}\n".encode())
