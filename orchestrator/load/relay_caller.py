"""A caller on a relay: hears words as they are spoken, and sometimes speaks over them."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from random import Random

from orchestrator.load.callers import Script, Server, begun, kind_of, settle
from orchestrator.load.ledger import CallNote, Ledger
from orchestrator.phone import (
    PATIENT,
    Asked,
    CallIdentity,
    Event,
    HungUp,
    Interrupted,
    Pace,
    PhoneLine,
    Problem,
    Said,
    Speaking,
    Waiting,
)
from orchestrator.phone.relay import LISTENING

MOST_PIECES_HEARD = 4
"""Who interrupts does so within so many words (or tokens, where speech takes no time)."""


@dataclass(frozen=True)
class Temper:
    """How callers behave on a relay: the share of replies that they cut off, and how fast these are spoken."""

    interrupt_share: float = 0.0
    characters_per_second: float | None = None


class RelayCaller:
    """Calls over a relay's socket. `chance` decides which replies are cut off, and when."""

    def __init__(self, server: Server, script: Script, ledger: Ledger, temper: Temper, chance: Random) -> None:
        self._line = PhoneLine(
            server.url,
            server.auth_token,
            identity=CallIdentity(),
            public_url=server.public_url,
            retry=PATIENT,
            pace=Pace(characters_per_second=temper.characters_per_second),
            client=server.client,
        )
        self._script = script
        self._ledger = ledger
        self._lines = script.lines()
        self._share = temper.interrupt_share
        self._chance = chance
        self._pieces_left: int | None = None
        self._note = CallNote(self._line.call_sid)
        self._turn, self._began = begun(self._note, "")

    def hang_up(self) -> None:
        """End the call as the caller."""
        self._line.hang_up()

    async def call(self) -> None:
        """Make the call; say the next line after each answer or into it, and hang up after the last."""
        self._ledger.calls.append(self._note)
        self._began = time.perf_counter()
        async with aclosing(self._line.call()) as events:
            async for event in events:
                await self._take_in(event)

    async def _take_in(self, event: Event) -> None:
        match event:
            case Speaking():
                self._hear_words()
            case Said():
                self._hear_end()
            case Interrupted(heard):
                self._note.cut_off[-1].heard = heard
            case Asked(gather) if gather is not LISTENING:
                self._note.error = "The server talks otherwise: start it with VOICE_CHANNEL=relay."
                self._line.hang_up()
            case Asked():
                await self._answer()
            case Waiting():
                self._ledger.retries += 1
            case Problem(text):
                self._note.error = self._note.error or kind_of(text)
            case HungUp(by="agent"):
                settle(self._turn, self._began)
                self._note.ended_early = next(self._lines, None) is not None

    def _hear_words(self) -> None:
        turn = self._turn
        if turn.first_words is None:
            turn.first_words = time.perf_counter() - self._began
            cuts = turn.words and self._chance.random() < self._share
            self._pieces_left = self._chance.randint(1, MOST_PIECES_HEARD) if cuts else None
        if self._pieces_left is not None:
            self._pieces_left -= 1
            if not self._pieces_left:
                self._speak_over()

    def _speak_over(self) -> None:
        self._pieces_left = None
        words = next(self._lines, None)
        if words is not None:
            self._note.cut_off.append(self._turn)
            self._turn.heard = ""
            self._say(words)

    def _hear_end(self) -> None:
        # The end of what was cut off is no answer to the words that cut it off.
        if self._turn.first_words is not None:
            settle(self._turn, self._began)

    async def _answer(self) -> None:
        settle(self._turn, self._began)
        words = next(self._lines, None)
        if words is None:
            self._line.hang_up()
            return
        await asyncio.sleep(self._script.think_seconds)
        self._say(words)

    def _say(self, words: str) -> None:
        self._turn, self._began = begun(self._note, words)
        self._line.answer_speech(words)
