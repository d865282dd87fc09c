"""How a call that is known goes on over a new socket."""

import asyncio
import math
import time
from collections.abc import AsyncIterator

from orchestrator import clock
from orchestrator.conversation.actions import InlineAction, inline_actions
from orchestrator.conversation.reply import Position, TurnResult, in_order
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.relay import outbound_frames, resume_point
from web.twilio.relay.connection import RelayConnection
from web.twilio.relay.connection_history import read_history
from web.twilio.relay.inbound_frames import Setup
from web.twilio.relay.playout import Playout
from web.twilio.relay.spoken_reply import SpokenReply
from web.twilio.relay.turn_submitter import TurnSubmitter, Unanswered

HISTORY_PARAMETER = "lines"
"""The parameter by which a session is told of the call's earlier history."""
RETURNED_PARAMETER = "returned"
"""The parameter of a call that comes back from the person with whom it was connected."""
CONFIRM_SECONDS = 15.0
"""So long a reply may wait for the replicas that must confirm it, before anybody hears of it."""
DELIVERY_SECONDS = 2.0
"""So long after an outage of Redis an ingress has found, at the latest, the replies that it has missed."""


class Resumption:
    """One session's. A session without earlier history may be of a known call, too."""

    def __init__(
        self, ingress: Ingress, setup: Setup, connection: RelayConnection, playout: Playout, submitter: TurnSubmitter
    ) -> None:
        self._ingress = ingress
        self._call_sid = setup.call_sid
        self._session_id = setup.session_id
        self.history = read_history(setup.parameters.get(HISTORY_PARAMETER, ""))
        self._has_returned = RETURNED_PARAMETER in setup.parameters
        self.is_blind = False
        self._connection = connection
        self._playout = playout
        self._submitter = submitter

    async def standing(self) -> tuple[Unanswered, ConversationState | None]:
        """What waits for its reply, and the state; a known caller is held until that can be read, a new one is not kept
        waiting for it (then `is_blind`). Raises `StoreUnavailable` for who was held in vain."""
        if not self.history.any:
            try:
                state = await self._submitter.claimed_state()
            except StoreUnavailable:
                self.is_blind = True
                return [], None
            if state is None:
                return [], None
        since, fillers = time.monotonic(), 0
        while True:
            try:
                return await self._submitter.take_over()
            except StoreUnavailable:
                waited = time.monotonic() - since
                if waited > self._ingress.timeouts.hold:
                    raise
                if waited > fillers * self._ingress.timeouts.wait:
                    await self._playout.say(twiml.filler_text(fillers))
                    fillers += 1
            await asyncio.sleep(0.1)

    async def go_on(self, state: ConversationState, unanswered: Unanswered, *, has_spoken: bool) -> Turn | None:
        """Attach to what is being answered, else say what was not surely heard. A caller who `has_spoken` already does
        not wait for that: what is returned then tells the agent. Raises `ConnectionLost`."""
        rest = None if unanswered else self._unheard_rest(state)
        if self._has_returned and rest is not None and rest.ending:  # it was heard, and carried out
            rest = None
            await self._playout.say(twiml.BACK)
        chosen = resume_point.languages(state, rest)
        if chosen is not None and (frame := outbound_frames.action_frame(chosen)) is not None:
            await self._connection.send(frame)
        for turn_id, pending in unanswered:
            self._playout.speak(SpokenReply(turn_id, pending))
        if rest is None:
            return None
        if has_spoken and not rest.ending:
            return self._gone_on(rest)
        await self._say_again(state, rest)
        return None

    def _unheard_rest(self, state: ConversationState) -> resume_point.UnheardRest | None:
        late_by = CONFIRM_SECONDS if self._ingress.settings.redis_wait_replicas else 0.0
        return resume_point.unheard_rest(state, self.history, sure_from=self._sure_from, late_by=late_by)

    @property
    def _sure_from(self) -> float:
        """Since when what was answered has surely reached whoever had the connection (Unix seconds)."""
        breaker = self._ingress.runtime.breaker
        if breaker is None:
            return -math.inf
        since = min(breaker.seconds_since_failure, breaker.seconds_since_unconfirmed)
        return clock.now() - since + DELIVERY_SECONDS

    def _gone_on(self, rest: resume_point.UnheardRest) -> Turn:
        """The news that of this reply no more was heard than before."""
        return Turn(
            turn_id=f"{self._session_id}-0", call_sid=self._call_sid, kind="interrupted",
            text=rest.heard, interrupts=rest.turn_id,
        )  # fmt: skip

    async def _say_again(self, state: ConversationState, rest: resume_point.UnheardRest) -> None:
        record = state.record_of(rest.turn_id)
        assert record is not None
        reply = SpokenReply(rest.turn_id, _Recorded(record.result(self._call_sid)), prefix=rest.heard)
        await self._playout.say_rest(reply, rest.parts, rest.ending)


class _Recorded:
    """A reply of an earlier session, as one that is there."""

    def __init__(self, result: TurnResult) -> None:
        self.result: TurnResult | None = result
        self.turn: Turn | None = None

    async def wait(self, timeout_seconds: float) -> TurnResult | None:
        """It is there."""
        return self.result

    async def parts(self, said: str = "", actions: int = 0) -> AsyncIterator[str | InlineAction]:
        """Yield what follows `said` and the first `actions` of it."""
        assert self.result is not None
        reply = self.result.reply
        for part in in_order(reply.text, inline_actions(reply.actions), Position(len(said), actions)):
            yield part

    async def tokens(self) -> AsyncIterator[str]:
        """Its text."""
        assert self.result is not None
        yield self.result.reply.text
