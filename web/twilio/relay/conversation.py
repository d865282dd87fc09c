"""What becomes of the turns of one relay session: how it begins, replies, and how they may fail."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from orchestrator.conversation.actions import Gather, HangUp, Transfer
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import PendingReply
from orchestrator.errors import CallEnded, CallRefused, StoreFull, StoreUnavailable, TurnRejected
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.relay import past
from web.twilio.relay.handover import Handover, Unanswered
from web.twilio.relay.inbound import Setup
from web.twilio.relay.line import Line, LineLost
from web.twilio.relay.mouth import Mouth
from web.twilio.relay.resumption import Resumption
from web.twilio.relay.speech import Speech
from web.twilio.turn_ids import START

logger = logging.getLogger(__name__)

T = TypeVar("T")

CHANNEL = "relay"
AFTER_AGENT_SECONDS = 10.0
STILL_SPEAKING_SECONDS = 0.5
"""How often it is looked again whether a caller who is to be told something has heard what came before."""


class Conversation:
    """Begins at once, and works in the background, one turn after the other.

    `asked` is told how the next answer is to be taken; `quiet_from` in how many seconds a caller who came back will
    hear nothing more, unless they speak.
    """

    def __init__(
        self,
        ingress: Ingress,
        line: Line,
        setup: Setup,
        *,
        asked: Callable[[Gather], None],
        quiet_from: Callable[[float], None],
    ) -> None:
        self.call_sid = setup.call_sid
        self._ingress = ingress
        self._line = line
        self._asked = asked
        self._quiet_from = quiet_from
        self._handover = Handover(ingress, setup.call_sid, _opening(setup))
        self.mouth = Mouth(line, look_after=self._look_after, done=self._done, fault=self._fault)
        self._resumption = Resumption(ingress, setup, line, self.mouth, self._handover)
        self._turns: deque[Turn] = deque()
        self._handing: asyncio.Task[None] | None = asyncio.create_task(self._begin(), name=f"begin {self.call_sid}")
        self._handing.add_done_callback(self._handed)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is being done, and nothing said."""
        return self._handing is None and self.mouth.is_quiet

    @property
    def waiting(self) -> int:
        """How many turns wait to be stored."""
        return len(self._turns)

    def take(self, turn: Turn) -> None:
        """Hand over a turn, after those before it, and say what is answered."""
        self._turns.append(turn)
        if self._handing is None:
            self._hand()

    async def close(self) -> None:
        """End what goes on in the background. Turns that were handed over go on."""
        self._turns.clear()
        if self._handing is not None:
            self._handing.cancel()
            await asyncio.wait({self._handing}, timeout=1)
        await self.mouth.close()
        await self._handover.close()

    def _hand(self) -> None:
        self._handing = asyncio.create_task(self._hand_over(), name=f"hand over {self.call_sid}")
        self._handing.add_done_callback(self._handed)

    def _handed(self, task: "asyncio.Task[None]") -> None:
        self._handing = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if not isinstance(error, LineLost):
                logger.error("A relay session failed", exc_info=error, extra={"action": "relay.failed"})
            self._fault()
        elif self._turns:
            self._hand()

    async def _hand_over(self) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if turn.has_words and (unfinished := self.mouth.unfinished()):
                turn = turn.model_copy(update={"unfinished": unfinished})
            pending = await self._submitted(turn)
            if turn.has_words:
                self.mouth.decide()
            if pending is not None:
                self.mouth.speak(Speech(turn.turn_id, pending, turn))

    async def _begin(self) -> None:
        """Greet a new call; go on with one that is known."""
        try:
            unanswered, state = await self._resumption.standing()
        except StoreUnavailable as error:
            await self._surrender(str(error))
            return
        if state is not None and state.turns:
            await self._resume(state, unanswered)
        else:
            self._turns.appendleft(Turn(turn_id=START, call_sid=self.call_sid, kind="started"))
        await self._hand_over()

    async def _resume(self, state: ConversationState, unanswered: Unanswered) -> None:
        """Go on without a greeting."""
        self._log(logging.INFO, "A call goes on over a new socket", action="relay.resumed")
        self._asked(past.asked(state))
        has_spoken = any(turn.has_words for turn in self._turns)
        news = await self._resumption.go_on(state, unanswered, has_spoken=has_spoken)
        if news is not None:
            self._turns.appendleft(news)
        if state.ended is not None:
            await self.mouth.leave(HangUp())
        elif not unanswered:
            self._quiet_from(self.mouth.clock.seconds_left)

    async def _submitted(self, turn: Turn) -> PendingReply | None:
        try:
            return await self._filling(self._handover.submit(turn), lambda: self.mouth.is_quiet)
        except CallEnded:
            await self.mouth.leave(HangUp())
        except (CallRefused, StoreFull) as error:
            self._log(logging.WARNING, "A call was refused: %s", error, action="call.refused")
            await self.mouth.say(twiml.BUSY)
            await self.mouth.leave(HangUp(reason="refused"))
        except TurnRejected:
            await self.mouth.say(twiml.REPEAT)
        except StoreUnavailable as error:
            await self._surrender(str(error))
        return None

    async def _look_after(self, speech: Speech, silent_seconds: float) -> None:
        """A reply does not go on: hand its turn over again if it is lost, fill the silence, and at last give up."""
        again = self._handover.again(speech.turn_id, speech.turn)
        replacement = await self._filling(again, lambda: not speech.is_open and not self.mouth.clock.seconds_left)
        if replacement is not None:
            speech.pending = replacement
        elif silent_seconds > max(self._ingress.pace.hold, self._patience):
            await self._surrender("No worker answered the turn")

    async def _filling(self, work: Coroutine[Any, Any, T], is_silent: Callable[[], bool]) -> T:
        """What comes of `work`; who hears nothing for long is told that somebody is there."""
        task, fillers, pause = asyncio.create_task(work), 0, self._ingress.pace.filler_after
        try:
            while not (await asyncio.wait({task}, timeout=pause))[0]:
                pause = STILL_SPEAKING_SECONDS
                if is_silent():
                    await self.mouth.say(twiml.filler_text(fillers))
                    fillers, pause = fillers + 1, self._ingress.pace.wait
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait({task}, timeout=1)

    @property
    def _patience(self) -> float:
        return self._ingress.settings.agent_timeout_seconds + AFTER_AGENT_SECONDS

    async def _surrender(self, why: str) -> None:
        self._log(logging.ERROR, "A caller was held in vain: %s", why, action="call.surrendered")
        to = self._ingress.settings.transfer_to
        await self.mouth.say(twiml.APOLOGY)
        await self.mouth.leave(Transfer(to, reason="out of order") if to else HangUp(reason="out of order"))
        raise LineLost

    def _done(self, speech: Speech, result: TurnResult) -> None:
        if result.reply.text or result.reply.actions:
            gathers = [action for action in result.reply.actions if isinstance(action, Gather)]
            self._asked(gathers[-1] if gathers else Gather())
        self._handover.remember()
        if speech.turn is None:
            return
        seconds = (datetime.now(UTC) - speech.turn.received_at).total_seconds()
        self._ingress.metrics.turn_answered(channel=CHANNEL, outcome=result.outcome, seconds=max(seconds, 0.0))
        extra = {"turn_id": result.turn_id, "outcome": result.outcome, "seconds": round(seconds, 4)}
        self._log(logging.INFO, "Turn answered", action="turn.answered", **extra)

    def _fault(self) -> None:
        self._line.give_up(1011, "the session cannot go on")

    def _log(self, level: int, message: str, *args: object, action: str = "relay.frame", **extra: object) -> None:
        logger.log(level, message, *args, extra={"action": action, "call_sid": self.call_sid, **extra})


def _opening(setup: Setup) -> dict[str, Any]:
    return {
        "channel": CHANNEL,
        "direction": setup.direction,
        "from_number": setup.from_number,
        "to_number": setup.to_number,
    }
