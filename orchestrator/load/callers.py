"""Callers that make one call each: over the telephone provider's webhooks, or over the API."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

import httpx

from orchestrator.client import ApiRefused, ApiUnreachable, Client
from orchestrator.load.results import CallNote, CallResults, TurnNote
from orchestrator.provider_simulator import PATIENT, Asked, CallIdentity, HungUp, PhoneLine, Problem, Said, Waiting
from orchestrator.provider_simulator.identity import new_number
from orchestrator.provider_simulator.retries import PROVIDER_DEFAULT, RetryPolicy

TURN_SECONDS = 60.0
OVER = 410
"""The status of a turn in a call that has ended."""
_PARTICULARS = ((re.compile(r"https?://[^/\s]+(?=/)"), ""), (re.compile(r"(?<=\w)/(\d+|load-[0-9a-f]+)\b"), "/…"))


@dataclass(frozen=True)
class Server:
    """Where to call, and the keys. `public_url` is the server's own `PUBLIC_BASE_URL`, which signatures cover.

    `begin` is how a call's first webhook and its status callback are retried, `retry` the others.
    """

    url: str
    client: httpx.AsyncClient
    public_url: str | None = None
    auth_token: str | None = None
    api_key: str | None = None
    begin: RetryPolicy = PROVIDER_DEFAULT
    retry: RetryPolicy = PATIENT

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that open the API."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@dataclass(frozen=True)
class Script:
    """What a caller says: the number of turns, and a pause (seconds) before each."""

    turns: int
    think_seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        """Yield the words, all different, so that each can be found in the state."""
        return (f"This is what I say in turn {number}." for number in range(1, self.turns + 1))


class Caller(Protocol):
    """Makes one call and records it. Cancellation drops the call."""

    async def call(self) -> None:
        """Make the call, to its end."""

    def hang_up(self) -> None:
        """End the call at the next chance."""


class PhoneCaller:
    """Calls over the provider's webhooks, by `<Gather>`."""

    def __init__(self, server: Server, script: Script, results: CallResults) -> None:
        self._line = PhoneLine(
            server.url,
            server.auth_token,
            identity=CallIdentity(from_number=new_number()),
            public_url=server.public_url,
            retry=server.retry,
            begin=server.begin,
            client=server.client,
        )
        self._script = script
        self._results = results
        self._lines = script.lines()

    def hang_up(self) -> None:
        """End the call as the caller."""
        self._line.hang_up()

    async def call(self) -> None:
        """Make the call; say the next line to each question, and hang up after the last."""
        note = self._results.open(self._line.call_sid)
        turn, began = begun(note, "")
        async with aclosing(self._line.call()) as events:
            async for event in events:
                match event:
                    case Said(text):
                        turn.answer = f"{turn.answer} {text}".strip()
                        if turn.first_words is None:
                            turn.first_words = time.perf_counter() - began
                    case Asked():
                        settle(turn, began)
                        turn, began = await self._answer(note, turn, began)
                    case Waiting():
                        self._results.retries += 1
                    case Problem(text):
                        note.error = note.error or kind_of(text)
                    case HungUp(by=by):
                        self._end(note, turn, began, by)

    async def _answer(self, note: CallNote, turn: TurnNote, began: float) -> tuple[TurnNote, float]:
        words = next(self._lines, None)
        if words is None:
            self._line.hang_up()
            return turn, began
        await asyncio.sleep(self._script.think_seconds)
        if self._line.answer_speech(words):
            return begun(note, words)
        self._line.answer_keys("1")  # the agent takes only keys at the moment
        return turn, began

    def _end(self, note: CallNote, turn: TurnNote, began: float, by: str) -> None:
        if by == "agent":
            settle(turn, began)
            note.ended_early = next(self._lines, None) is not None


class TextCaller:
    """Calls over the API: text turns whose replies are streamed. The answer to a sensitive question says that it is."""

    def __init__(self, server: Server, script: Script, results: CallResults) -> None:
        self._api = Client(server.url, server.api_key, http=server.client)
        self._script = script
        self._results = results
        self._hung_up = self._is_sensitive = False

    def hang_up(self) -> None:
        """Say nothing more after this turn."""
        self._hung_up = True

    async def call(self) -> None:
        """Make the call: one turn after the other."""
        note = self._results.open(f"load-{uuid4().hex}")
        for words in self._script.lines():
            if self._hung_up or note.error:
                return
            await asyncio.sleep(self._script.think_seconds)
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await self._turn(note, words)
            except ApiUnreachable as error:
                note.error = kind_of(str(error))
            except (httpx.TransportError, TimeoutError) as error:
                note.error = f"turn broke off: {type(error).__name__}"

    async def _turn(self, note: CallNote, words: str) -> None:
        turn_id = f"t{len(note.turns) + 1}"
        turn, began = begun(note, words)
        parts = self._api.stream_turn(note.call_sid, words, turn_id=turn_id, sensitive=self._is_sensitive or None)
        try:
            async with aclosing(parts):
                async for part in parts:
                    if turn.first_words is None:
                        turn.first_words = time.perf_counter() - began
                    if part.answer is not None:
                        turn.answer = part.answer["reply"]["text"]
                        settle(turn, began)
                        self._is_sensitive = any(it.get("sensitive") for it in part.answer["reply"]["actions"])
        except ApiRefused as error:
            if error.status == OVER:
                note.turns.pop()
                note.ended_early = self._hung_up = True
            else:
                note.error = kind_of(f"a turn was refused with {error.status}: {error}")


def begun(note: CallNote, words: str) -> tuple[TurnNote, float]:
    """Record a turn that begins now. Return its record, and the time."""
    turn = TurnNote(words, began=time.perf_counter())
    note.turns.append(turn)
    return turn, turn.began


def settle(turn: TurnNote, began: float, ended: float | None = None) -> None:
    """Record that a turn has its answer, whose last word was heard at `ended`, or now. May be called twice."""
    if turn.answered is None:
        turn.answered = (time.perf_counter() if ended is None else max(ended, began)) - began
        if turn.first_words is None:  # an answer without a word
            turn.first_words = turn.answered


def kind_of(text: str) -> str:
    """Return an error's sentence without the parts that differ between errors of its kind."""
    for pattern, stead in _PARTICULARS:
        text = pattern.sub(stead, text)
    return text
