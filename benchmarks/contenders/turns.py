"""Turns handed to workers through Redis, as the ingress hands them over: this process has an ingress's runtime.

Wants the product's settings in the environment, and workers with `AGENT=benchmarks.agents:empty`.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from uuid import uuid4

from benchmarks.agents import HOLD_ON, TELL_TIME
from benchmarks.driver import Line
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.opening import open_runtime
from orchestrator.runtime import Runtime
from orchestrator.settings import load_settings

TURNS_A_CALL = 10
ANSWER_SECONDS = 25.0
HISTORIES = (10, 50, 200)
OPENING = {"channel": "api", "direction": "inbound"}
SAID = "I would like to come in on Tuesday, some time after ten, if that is possible."
REPLIED = "Tuesday after ten. I have half past ten and a quarter to twelve. Which of the two suits you better?"


class Calls:
    """Empty turns. Each slot has a call of its own, and takes a new one after `TURNS_A_CALL` turns."""

    def __init__(self, runtime: Runtime, history: int = 0) -> None:
        self._runtime = runtime
        self._history = history
        self._at: dict[int, tuple[str, int]] = {}

    async def turn(self, slot: int) -> float:
        """One turn: submit, and wait for its reply."""
        call_sid, number = self._at.get(slot, ("", TURNS_A_CALL))
        if number >= TURNS_A_CALL:
            call_sid, number = await self._new_call(), 0
        self._at[slot] = (call_sid, number + 1)
        turn = Turn(turn_id=f"t{number}", call_sid=call_sid, kind="speech", text=SAID)
        began = time.perf_counter()
        pending = await self._runtime.dispatcher.submit(turn, opening=OPENING)
        if await pending.wait(ANSWER_SECONDS) is None:
            raise TimeoutError
        return time.perf_counter() - began

    async def _new_call(self) -> str:
        call_sid = f"CA{uuid4().hex}"
        if self._history:
            records = [self._record(call_sid, number) for number in range(self._history)]
            await self._runtime.states.create_state(call_sid, turns=records, **OPENING)
        return call_sid

    @staticmethod
    def _record(call_sid: str, number: int) -> TurnRecord:
        turn = Turn(turn_id=f"past-{number}", call_sid=call_sid, kind="speech", text=SAID, confidence=0.93)
        return TurnRecord.of(turn, "replied", Reply(text=REPLIED), epoch=1)


class Streams:
    """Turns whose replies are listened to while they grow."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._numbers = count()

    async def first_token(self, slot: int) -> float:
        """From the moment the agent said it to the moment it is here: both read the machine's clock."""
        pending = await self._runtime.dispatcher.submit(self._turn(TELL_TIME), opening=OPENING, stream=True)
        async for text in pending.tokens():
            took = time.monotonic_ns() - int(text)
            await pending.wait(ANSWER_SECONDS)
            return took / 1e9
        raise RuntimeError("no token came")

    async def interrupt(self, slot: int) -> float:
        """From an interruption to the news that the turn it was meant for has ended, its record committed."""
        dispatcher, turn = self._runtime.dispatcher, self._turn(HOLD_ON)
        pending = await dispatcher.submit(turn, opening=OPENING, stream=True)
        async for _ in pending.tokens():
            break
        began = time.perf_counter()
        interruption = Turn(turn_id="stop", call_sid=turn.call_sid, kind="interrupted", text="I was saying")
        stopped = await dispatcher.submit(interruption)
        result = await pending.wait(ANSWER_SECONDS)
        took = time.perf_counter() - began
        await stopped.wait(ANSWER_SECONDS)
        if result is None or result.outcome != "interrupted":
            raise RuntimeError("the turn was not interrupted")
        return took

    def _turn(self, text: str) -> Turn:
        return Turn(turn_id="t0", call_sid=f"CA{next(self._numbers)}-{uuid4().hex}", kind="speech", text=text)


async def _submit(runtime: Runtime, slot: int) -> None:
    """Hand over a turn and do not wait for it."""
    turn = Turn(turn_id="t0", call_sid=f"CA{uuid4().hex}", kind="speech", text=SAID)
    await runtime.dispatcher.submit(turn, opening=OPENING)


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`turn`, `submit`, `history-N`, `first-token`, `interrupt`."""
    async with open_runtime(load_settings()) as runtime:
        streams = Streams(runtime)
        yield {
            "turn": Calls(runtime).turn,
            "submit": partial(_submit, runtime),
            "first-token": streams.first_token,
            "interrupt": streams.interrupt,
            **{f"history-{history}": Calls(runtime, history).turn for history in HISTORIES},
        }
