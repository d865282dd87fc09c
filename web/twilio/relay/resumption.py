"""How a call that is known goes on over a new socket."""

import asyncio
import math
import time
from collections.abc import AsyncIterator

from orchestrator import clock
from orchestrator.conversation.actions import InlineAction, inline_actions
from orchestrator.conversation.reply import TurnResult, in_order
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.relay import outbound, past
from web.twilio.relay.handover import Handover, Unanswered
from web.twilio.relay.inbound import Setup
from web.twilio.relay.line import Line
from web.twilio.relay.lines import read_lines
from web.twilio.relay.mouth import Mouth
from web.twilio.relay.speech import Speech

LINES = "lines"
"""The parameter by which a session is told of the call's earlier lines."""
RETURNED = "returned"
"""The parameter of a call that comes back from the person with whom it was connected."""
CONFIRM_SECONDS = 15.0
"""So long a reply may wait for the replicas that must confirm it, before anybody hears of it."""
DELIVERY_SECONDS = 2.0
"""So long after an outage of Redis an ingress has found, at the latest, the replies that it has missed."""


class Resumption:
    """One session's. A session without earlier lines may be of a known call, too."""

    def __init__(self, ingress: Ingress, setup: Setup, line: Line, mouth: Mouth, handover: Handover) -> None:
        self._ingress = ingress
        self._call_sid = setup.call_sid
        self._session_id = setup.session_id
        self.lines = read_lines(setup.parameters.get(LINES, ""))
        self._has_returned = RETURNED in setup.parameters
        self.is_blind = False
        self._line = line
        self._mouth = mouth
        self._handover = handover

    async def standing(self) -> tuple[Unanswered, ConversationState | None]:
        """What waits for its reply, and the state; a known caller is held until that can be read, a new one is not kept
        waiting for it (then `is_blind`). Raises `StoreUnavailable` for who was held in vain."""
        if not self.lines.were:
            try:
                state = await self._handover.claimed_state()
            except StoreUnavailable:
                self.is_blind = True
                return [], None
            if state is None:
                return [], None
        since, fillers = time.monotonic(), 0
        while True:
            try:
                return await self._handover.take_over()
            except StoreUnavailable:
                waited = time.monotonic() - since
                if waited > self._ingress.timeouts.hold:
                    raise
                if waited > fillers * self._ingress.timeouts.wait:
                    await self._mouth.say(twiml.filler_text(fillers))
                    fillers += 1
            await asyncio.sleep(0.1)

    async def go_on(self, state: ConversationState, unanswered: Unanswered, *, has_spoken: bool) -> Turn | None:
        """Attach to what is being answered, else say what was not surely heard. A caller who `has_spoken` already does
        not wait for that: what is returned then tells the agent. Raises `LineLost`."""
        unsaid = None if unanswered else self._left_unsaid(state)
        if self._has_returned and unsaid is not None and unsaid.ending:  # it was heard, and carried out
            unsaid = None
            await self._mouth.say(twiml.BACK)
        chosen = past.languages(state, unsaid)
        if chosen is not None and (frame := outbound.action_frame(chosen)) is not None:
            await self._line.send(frame)
        for turn_id, pending in unanswered:
            self._mouth.speak(Speech(turn_id, pending))
        if unsaid is None:
            return None
        if has_spoken and not unsaid.ending:
            return self._gone_on(unsaid)
        await self._say_again(state, unsaid)
        return None

    def _left_unsaid(self, state: ConversationState) -> past.Unsaid | None:
        late_by = CONFIRM_SECONDS if self._ingress.settings.redis_wait_replicas else 0.0
        return past.left_unsaid(state, self.lines, sure_from=self._sure_from, late_by=late_by)

    @property
    def _sure_from(self) -> float:
        """Since when what was answered has surely reached whoever had the line (Unix seconds)."""
        breaker = self._ingress.runtime.breaker
        if breaker is None:
            return -math.inf
        since = min(breaker.seconds_since_failure, breaker.seconds_since_unconfirmed)
        return clock.now() - since + DELIVERY_SECONDS

    def _gone_on(self, unsaid: past.Unsaid) -> Turn:
        """The news that of this reply no more was heard than before."""
        return Turn(
            turn_id=f"{self._session_id}-0", call_sid=self._call_sid, kind="interrupted",
            text=unsaid.heard, interrupts=unsaid.turn_id,
        )  # fmt: skip

    async def _say_again(self, state: ConversationState, unsaid: past.Unsaid) -> None:
        record = state.record_of(unsaid.turn_id)
        assert record is not None
        speech = Speech(unsaid.turn_id, _Recorded(record.result(self._call_sid)), prefix=unsaid.heard)
        await self._mouth.say_rest(speech, unsaid.parts, unsaid.ending)


class _Recorded:
    """A reply of an earlier session, as one that is there."""

    def __init__(self, result: TurnResult) -> None:
        self.result: TurnResult | None = result
        self.turn: Turn | None = None

    async def wait(self, timeout_seconds: float) -> TurnResult | None:
        """It is there."""
        return self.result

    async def parts(self, said: str = "", done: int = 0) -> AsyncIterator[str | InlineAction]:
        """What there is of it after `said` and `done`."""
        assert self.result is not None
        for part in in_order(self.result.reply.text, inline_actions(self.result.reply.actions)[done:], since=len(said)):
            yield part

    async def tokens(self) -> AsyncIterator[str]:
        """Its text."""
        assert self.result is not None
        yield self.result.reply.text
