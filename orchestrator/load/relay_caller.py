"""A caller on a relay: hears words as they are spoken, and sometimes interrupts them."""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Any

from orchestrator.load.callers import Script, Server, begun, kind_of, settle
from orchestrator.load.results import CallNote, CallResults, TurnNote
from orchestrator.provider_simulator import (
    Asked,
    CallIdentity,
    Event,
    HungUp,
    Interrupted,
    LostLine,
    PhoneLine,
    PlaybackSpeed,
    Problem,
    Said,
    Speaking,
    Waiting,
)
from orchestrator.provider_simulator.identity import new_number
from orchestrator.provider_simulator.relay_speech import LISTENING

ANSWER_SECONDS = 90.0
"""A caller who hears nothing for this long hangs up."""
AFTER_LOSS_SECONDS = 8.0
"""A caller who reconnected and hears nothing for this long says something else."""
POLL_SECONDS = 0.05
MOST_PIECES_HEARD = 4
"""An interruption comes within this many words (or tokens, if speech takes no time)."""


@dataclass(frozen=True)
class RelayBehaviour:
    """How callers behave on a relay: the share of replies that they interrupt, and how fast replies are spoken."""

    interrupt_share: float = 0.0
    characters_per_second: float | None = None


class RelayCaller:
    """Calls over a relay's socket. `chance` decides which replies are interrupted, and when.

    Events of the line are handled at once. The caller thinks, and waits for a line, in a task of their own.
    """

    def __init__(
        self, server: Server, script: Script, results: CallResults, behaviour: RelayBehaviour, chance: Random
    ) -> None:
        self._line = PhoneLine(
            server.url,
            server.auth_token,
            identity=CallIdentity(from_number=new_number()),
            public_url=server.public_url,
            retry=server.retry,
            begin=server.begin,
            speed=PlaybackSpeed(characters_per_second=behaviour.characters_per_second),
            client=server.client,
        )
        self._script = script
        self._results = results
        self._lines = deque(script.lines())
        self._share = behaviour.interrupt_share
        self._chance = chance
        self._pieces_left: int | None = None
        self._note = CallNote(self._line.call_sid)
        self._turn, self._began = begun(self._note, "")
        self._ended: float | None = None
        self._deadline = 0.0
        self._is_waiting = False
        self._next: asyncio.Task[None] | None = None

    def hang_up(self) -> None:
        """End the call as the caller."""
        self._line.hang_up()

    async def call(self) -> None:
        """Make the call; say the next line after each answer or into it, and hang up after the last."""
        self._results.calls.append(self._note)
        self._began = time.perf_counter()
        self._wait_for_answer()
        try:
            async with aclosing(self._line.call()) as events:
                async for event in events:
                    self._on_event(event)
        finally:
            self._do_next(None)

    def _on_event(self, event: Event) -> None:
        match event:
            case Speaking():
                self._on_words()
            case Said():
                self._ended = time.perf_counter()
            case Interrupted(heard):
                self._on_interruption(heard)
            case Asked(gather) if gather is not LISTENING:
                self._note.error = "The server talks otherwise: start it with VOICE_CHANNEL=relay."
                self._line.hang_up()
            case Asked():
                settle(self._turn, self._began, self._ended)
                self._do_next(self._say_next())
            case Waiting(line=LostLine() as lost):
                self._results.retries += 1
                self._on_lost_line(lost)
            case Waiting():
                self._results.retries += 1
            case Problem(text):
                self._note.error = self._note.error or kind_of(text)
            case HungUp(by="agent"):
                settle(self._turn, self._began)
                self._note.ended_early = bool(self._lines)

    def _on_words(self) -> None:
        turn = self._turn
        self._wait_for_answer()
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
        if self._lines:
            cut = self._turn
            cut.heard = ""
            self._note.cut_off.append(cut)
            self._say()
            cut.cut_by = self._turn

    def _on_interruption(self, heard: str) -> None:
        cut = self._note.cut_off[-1] if self._note.cut_off else None
        if cut is not None and cut.cut_by is self._turn:
            cut.heard = heard

    def _on_lost_line(self, lost: LostLine) -> None:
        """A caller whose words may not have arrived, or was being answered, waits on a new line, with a deadline."""
        turn = self._turn
        if turn.is_over:
            return
        turn.spans_lines = turn.first_words is not None
        if turn.words in lost.unsent or not (lost.was_closed or turn.first_words is not None):
            turn.uncertain = bool(turn.words)
        if turn.uncertain or turn.spans_lines:
            self._do_next(self._say_next_after_loss(turn))

    async def _say_next(self) -> None:
        """Say the next words after the pause, as soon as there is a line."""
        if not self._lines:
            self._line.hang_up()
            return
        await asyncio.sleep(self._script.think_seconds)
        while not self._line.is_heard:
            await asyncio.sleep(POLL_SECONDS)
        self._say()

    async def _say_next_after_loss(self, turn: TurnNote) -> None:
        """Nothing more was heard over the new line: the answer was heard to its end, or the words were lost."""
        await asyncio.sleep(AFTER_LOSS_SECONDS)
        turn.broken_off = True
        await self._say_next()

    def _say(self) -> None:
        words = self._lines.popleft()
        self._turn, self._began = begun(self._note, words)
        self._ended = None
        self._line.answer_speech(words)
        self._wait_for_answer()

    def _wait_for_answer(self) -> None:
        """Wait for an answer, and hang up if none comes."""
        self._deadline = time.perf_counter() + ANSWER_SECONDS
        if not self._is_waiting:
            self._do_next(self._hang_up_at_deadline())
            self._is_waiting = True

    async def _hang_up_at_deadline(self) -> None:
        while (left := self._deadline - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        self._note.error = self._note.error or f"no answer within {ANSWER_SECONDS:g} s"
        self._line.hang_up()

    def _do_next(self, work: Coroutine[Any, Any, None] | None) -> None:
        """Replace what the caller does next: they do one thing at a time."""
        before, self._next, self._is_waiting = self._next, None, False
        if work is not None:
            self._next = asyncio.create_task(work, name=f"caller of {self._line.call_sid}")
        if before is not None and before is not asyncio.current_task():
            before.cancel()
