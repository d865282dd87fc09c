"""One live call as it goes on: its state after each commit, the turn that runs, and what the agent says meanwhile.

One task reads it for everybody who looks at the call. What workers publish of it arrives at once; what may have been
missed is read again.
"""

import asyncio
import contextlib
import json
import logging
from typing import Any

from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import UnreadableState, VoiceAgentError
from orchestrator.sensitive_turns.shown import has_sealed, shown_state
from orchestrator.turns.messages import Settled, Token
from web.ingress import Ingress
from web.live.heard_words import HeardWords
from web.live.live_reader import LiveReader

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between looks at which turn of the call runs."""
READ_EVERY = 3
"""At one of so many looks the state is read without a message that it has changed."""


class CallWatch:
    """Follows one call. `changed` is set, and replaced, whenever something has changed."""

    def __init__(self, ingress: Ingress, reader: LiveReader, call_sid: str) -> None:
        self.call_sid = call_sid
        self.state_text = ""
        self.state_number = 0
        self.running: dict[str, Any] | None = None
        self.said = HeardWords()
        self.is_gone = False
        self.changed = asyncio.Event()
        self._ingress = ingress
        self._reader = reader
        self._said_of = ""
        self._version = -1
        self._now = asyncio.Event()
        self._must_read = True

    def heard(self, message: Token | Settled) -> None:
        """Take what was published of the call."""
        if isinstance(message, Settled):
            self._must_read = True
            self._now.set()
            return
        if self._said_of != message.turn_id:
            self._said_of = message.turn_id
            self.said.clear()
        if self.running is None or self.running["turn_id"] != message.turn_id:
            self._now.set()  # to learn what the turn is
        if self.said.add(message) and self.running is not None:
            self._tell()

    def look(self, version: int | None) -> None:
        """Note that the state has this version; None: something may have been missed."""
        if version != self._version:
            self._must_read = True
            self._now.set()

    async def read(self) -> None:
        """Read the state and the turn that runs. Raise `VoiceAgentError` if the store does not answer."""
        await self._read_state()
        if not self.is_gone:
            await self._read_running()

    async def run(self) -> None:
        """Follow the call until it is gone."""
        looks = 0
        while not self.is_gone:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._now.wait()
            self._now.clear()
            looks += 1
            try:
                async with asyncio.timeout(self._ingress.timeouts.check):
                    if self._must_read or looks % READ_EVERY == 0:
                        await self._read_state()
                    await self._read_running()
            except (VoiceAgentError, TimeoutError):
                continue
            except Exception:
                logger.exception("A call could not be followed; report this", extra={"action": "live.failed"})

    async def _read_state(self) -> None:
        self._must_read = False
        try:
            state = await self._ingress.runtime.states.get_state(self.call_sid)
        except UnreadableState:
            return
        if state is None:
            self.is_gone, self.state_text, self.running = True, "", None
            self.said.clear()
            self._tell()
        elif state.version != self._version:
            self._version = state.version
            self.state_text = _text_of(state)
            self.state_number += 1
            if self.running is not None and state.record_of(self.running["turn_id"]) is not None:
                self.running = None
                self.said.clear()
            self._tell()

    async def _read_running(self) -> None:
        reported = next(
            (turn for turn in await self._reader.running_turns() if turn.get("call_sid") == self.call_sid), None
        )
        waiting = await self._ingress.runtime.dispatcher.waiting(self.call_sid)
        if not waiting:
            if self.running is not None:  # it is over; its state comes
                self._must_read = True
            return
        turn_id = waiting[0]
        if self.running is None or self.running["turn_id"] != turn_id:
            pending = await self._ingress.runtime.dispatcher.find(self.call_sid, turn_id)
            turn = None if pending is None else pending.turn
            if pending is None or pending.result is not None or turn is None:
                return
            text = HIDDEN if turn.sensitive else turn.digits or turn.text
            self._begin({"turn_id": turn_id, "kind": turn.kind, "text": text, "since": turn.received_at.timestamp()})
        if reported is not None and reported.get("turn_id") == turn_id and self.said.catch_up(str(reported["said"])):
            self._tell()

    def _begin(self, running: dict[str, Any]) -> None:
        if self._said_of != running["turn_id"]:
            self._said_of = running["turn_id"]
            self.said.clear()
        self.running = running
        self._tell()

    def _tell(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


def _text_of(state: ConversationState) -> str:
    if has_sealed(state):
        return json.dumps(shown_state(state), ensure_ascii=False)
    return state.model_dump_json()
