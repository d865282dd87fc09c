"""Gets the turns of one session answered, and tells its caller when that takes long or fails."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.hub import Pending
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.errors import CallRefused, StoreFull, StoreUnavailable, TurnRejected, UnknownCall
from orchestrator.process_metrics import catalog
from web.call_log import log_hold_timed_out
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.relay.connection import ConnectionLost
from web.twilio.relay.fillers import with_fillers
from web.twilio.relay.playout import Playout
from web.twilio.relay.reply_metrics import ReplyMetrics
from web.twilio.relay.spoken_reply import SpokenReply
from web.twilio.relay.turn_submitter import TurnSubmitter

logger = logging.getLogger(__name__)

T = TypeVar("T")


class TurnAnswers:
    """Submits turns by `submitter`. While the session `is_closing`, nothing is said to the caller."""

    def __init__(
        self,
        ingress: Ingress,
        call_sid: str,
        submitter: TurnSubmitter,
        playout: Playout,
        metrics: ReplyMetrics,
        is_closing: Callable[[], bool],
    ) -> None:
        self._ingress = ingress
        self._call_sid = call_sid
        self._submitter = submitter
        self._playout = playout
        self._metrics = metrics
        self._is_closing = is_closing

    async def submitted(self, turn: Turn) -> PendingReply | None:
        """Return the reply to wait for; None if the caller was told why there is none. Raises `CallEnded`."""
        try:
            return await self._with_fillers(self._submitter.submit(turn), "redis", lambda: self._playout.is_idle)
        except (CallRefused, StoreFull) as error:
            catalog.CALLS_REFUSED.inc(error.reason if isinstance(error, CallRefused) else "limit")
            refused = {"action": "call.refused", "call_sid": self._call_sid}
            logger.warning("A call was refused: %s", error, extra=refused)
            await self._playout.say(twiml.BUSY)
            await self._playout.end_session(HangUp(reason="refused"))
        except TurnRejected:
            await self._playout.say(twiml.REPEAT)
        except (StoreUnavailable, UnknownCall) as error:
            if not self._is_closing():
                await self.apologise_and_end(str(error))
            self.log_lost(turn)
        return None

    async def replacement(self, reply: SpokenReply) -> PendingReply | None:
        """Return the reply to take instead of one that has stalled, if its turn had to be submitted again.

        Fills the silence meanwhile. If nobody answers the turn for too long, apologise and end the session. A reply for
        which the caller has not asked ends then, so that others can be said.
        """

        def is_silent() -> bool:
            return not reply.is_open and not self._playout.clock.seconds_left

        silent_seconds = reply.silent_seconds  # a store that takes long must not count: the reply may come meanwhile
        find = self._submitter.find_or_resubmit(reply.turn_id, reply.turn, reply.pending)
        found = await self._with_fillers(find, "agent", is_silent)
        if found is None and silent_seconds > self._ingress.reply_seconds:
            if reply.is_unprompted:
                return self._nothing_for(reply)
            self._metrics.unanswered(reply)
            await self.apologise_and_end("No worker answered the turn")
        return found

    def _nothing_for(self, reply: SpokenReply) -> PendingReply:
        """Return what ends a reply for which the caller did not ask."""
        nothing = Pending(self._call_sid, reply.turn_id)
        nothing.settle(TurnResult(call_sid=self._call_sid, turn_id=reply.turn_id, outcome="dropped"))
        return nothing

    async def apologise_and_end(self, why: str) -> None:
        """Apologise, and transfer the caller or hang up. Raises `ConnectionLost`: the session is over."""
        log_hold_timed_out(why, call_sid=self._call_sid)
        to = self._ingress.settings.transfer_to
        await self._playout.say(twiml.APOLOGY)
        await self._playout.end_session(Transfer(to, reason="out of order") if to else HangUp(reason="out of order"))
        raise ConnectionLost

    def log_lost(self, turn: Turn) -> None:
        """Log that what the caller said is lost."""
        what = "What the caller said over a lost connection could not be stored"
        extra = {"action": "relay.words_lost", "call_sid": self._call_sid, "turn_id": turn.turn_id}
        logger.error(what, extra=extra)

    async def _with_fillers(self, work: Coroutine[Any, Any, T], reason: str, is_silent: Callable[[], bool]) -> T:
        def may_speak() -> bool:
            return not self._is_closing() and is_silent()

        return await with_fillers(work, self._playout, self._ingress.timeouts, reason=reason, is_silent=may_speak)
