"""What becomes of the turns of one relay session: how it begins, replies, and how they may fail."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from orchestrator import error_logging
from orchestrator.conversation.actions import Gather, HangUp, Transfer
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import PendingReply
from orchestrator.errors import CallEnded, CallRefused, StoreFull, StoreUnavailable, TurnRejected, UnknownCall
from orchestrator.tasks import cancel_and_wait
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.relay import resume_point
from web.twilio.relay.connection import ConnectionLost, RelayConnection
from web.twilio.relay.inbound_frames import Setup
from web.twilio.relay.playout import Playout
from web.twilio.relay.redelivery import SaidBefore, TurnIds
from web.twilio.relay.reply_metrics import CHANNEL, ReplyMetrics
from web.twilio.relay.resumption import Resumption
from web.twilio.relay.spoken_reply import SpokenReply
from web.twilio.relay.turn_submitter import TurnSubmitter, Unanswered
from web.twilio.turn_ids import START

logger = logging.getLogger(__name__)

T = TypeVar("T")

AFTER_AGENT_SECONDS = 10.0
MOST_WAITING_TURNS = 600
"""More than a provider keeps for a socket that comes back (500)."""
MOST_WAITING_CHARACTERS = 1_000_000
LAST_WORDS_SECONDS = 30.0
"""For so long what was said over a connection that is lost may take to be stored."""
STILL_SPEAKING_SECONDS = 0.5
"""How often it is looked again whether a caller who is to be told something has heard what came before."""


class SessionTurns:
    """Begins at once, and works in the background, one turn after the other.

    `asked` is told how the next answer is to be taken; `quiet_from` in how many seconds a caller who came back will
    hear nothing more, unless they speak.
    """

    def __init__(
        self,
        ingress: Ingress,
        connection: RelayConnection,
        setup: Setup,
        *,
        asked: Callable[[Gather], None],
        quiet_from: Callable[[float], None],
    ) -> None:
        self.call_sid = setup.call_sid
        self._ingress = ingress
        self._connection = connection
        self._asked = asked
        self._quiet_from = quiet_from
        self._submitter = TurnSubmitter(ingress, setup.call_sid, _opening(setup))
        self._metrics = ReplyMetrics(ingress.deliveries, setup.call_sid)
        self.playout = Playout(
            connection, look_after=self._look_after, done=self._done, fault=self._fault, metrics=self._metrics
        )
        self._resumption = Resumption(ingress, setup, connection, self.playout, self._submitter)
        self._session_id = setup.session_id
        self._ids = TurnIds()
        self._said_before = SaidBefore()
        self._has_begun = self._is_closing = False
        self._turns: deque[tuple[Turn, bool]] = deque()
        self._storing: Turn | None = None
        self._handing: asyncio.Task[None] | None = asyncio.create_task(self._begin(), name=f"begin {self.call_sid}")
        self._handing.add_done_callback(self._handed)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is being done, and nothing said."""
        return self._handing is None and self.playout.is_quiet

    @property
    def is_full(self) -> bool:
        """Whether as many turns wait to be stored as may."""
        if len(self._turns) >= MOST_WAITING_TURNS:
            return True
        return sum(len(turn.text) for turn, _ in self._turns) >= MOST_WAITING_CHARACTERS

    def take(self, turn: Turn, *, may_come_again: bool = False) -> None:
        """Hand over a turn, after those before it, and say what is answered. One that `may_come_again` may have come
        over an earlier socket: then it is left there."""
        if self._has_begun and may_come_again and self._came_before(turn):
            self._quiet_from(self.playout.clock.seconds_left)
            return
        if turn.has_words:
            self.playout.pause()
        self._turns.append((turn, may_come_again))
        if self._handing is None:
            self._hand()

    async def close(self) -> None:
        """End what goes on in the background, once what the caller has said is stored. Turns that were handed over go
        on."""
        self._is_closing = self._submitter.is_leaving = True
        self._turns = deque((turn, again) for turn, again in self._turns if turn.kind != "silence")
        await self.playout.close()
        await self._store_last_words()
        await cancel_and_wait(self._handing, seconds=1)
        await self._submitter.close()

    async def _store_last_words(self) -> None:
        end = time.monotonic() + LAST_WORDS_SECONDS
        while (self._turns or self._storing is not None) and (left := end - time.monotonic()) > 0:
            if self._handing is None:
                self._hand()
            assert self._handing is not None
            await asyncio.wait({self._handing}, timeout=left)
        for turn in filter(None, [self._storing, *(turn for turn, _ in self._turns)]):
            self._lose(turn)
        self._turns.clear()

    def _lose(self, turn: Turn) -> None:
        what = "What the caller said over a connection that is lost could not be stored"
        self._log(logging.ERROR, what, action="relay.words_lost", turn_id=turn.turn_id)

    def _hand(self) -> None:
        self._handing = asyncio.create_task(self._hand_over(), name=f"hand over {self.call_sid}")
        self._handing.add_done_callback(self._handed)

    def _handed(self, task: "asyncio.Task[None]") -> None:
        self._handing = None
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            if not isinstance(error, ConnectionLost):
                extra = {"action": "relay.failed"}
                error_logging.log(logging.ERROR, logger, "A relay session failed: %s", error=error, extra=extra)
            self._fault()
        elif self._turns:
            self._hand()

    async def _hand_over(self) -> None:
        while self._turns:
            turn = self._ids.unique(self._turns.popleft()[0])
            if turn.has_words and (unfinished := self.playout.unfinished()):
                turn = turn.model_copy(update={"unfinished": unfinished})
            pending, is_over, self._storing = None, False, turn
            try:
                pending = await self._submitted(turn)
            except CallEnded:
                is_over = True
            finally:
                self._storing = None
            if turn.has_words:
                self.playout.resume()
            if is_over:
                await self.playout.farewell(twiml.GOODBYE)
            elif pending is not None:
                self._metrics.handed_over(turn)
            if pending is not None and not self._is_closing:
                self.playout.speak(SpokenReply(turn.turn_id, pending, turn))

    async def _begin(self) -> None:
        """Greet a new call; go on with one that is known."""
        try:
            unanswered, state = await self._resumption.standing()
        except StoreUnavailable as error:
            await self._surrender(str(error))
            return
        if not self._resumption.is_blind:
            known = [turn_id for turn_id, _ in unanswered]
            self._ids.came_before([*known, *(record.turn_id for record in state.turns)] if state is not None else known)
        if state is not None and (state.turns or unanswered):
            await self._resume(state, unanswered)
        else:
            self._has_begun = True
            self._turns.appendleft((Turn(turn_id=START, call_sid=self.call_sid, kind="started"), False))
        await self._hand_over()

    async def _resume(self, state: ConversationState, unanswered: Unanswered) -> None:
        """Go on without a greeting."""
        self._log(logging.INFO, "A call goes on over a new socket", action="relay.resumed")
        self._asked(resume_point.asked(state))
        self._said_before.remember(self._session_id, self._resumption.history, state, unanswered)
        self._forget_what_came_before()
        self._has_begun = True
        has_spoken = any(turn.has_words for turn, _ in self._turns)
        news = await self._resumption.go_on(state, unanswered, has_spoken=has_spoken)
        if news is not None:
            self._turns.appendleft((news, False))
        if state.ended is not None:
            await self.playout.farewell(twiml.GOODBYE)
        elif not unanswered:
            self._quiet_from(self.playout.clock.seconds_left)

    def _forget_what_came_before(self) -> None:
        """Leave out what has come again before it was known what was said over the earlier sockets."""
        kept: deque[tuple[Turn, bool]] = deque()
        for turn, may_come_again in self._turns:
            if may_come_again and self._came_before(turn):
                if turn.has_words:
                    self.playout.resume()
            else:
                kept.append((turn, may_come_again))
        self._turns = kept

    def _came_before(self, turn: Turn) -> bool:
        if not self._said_before.took(turn):
            return False
        what = "What came over an earlier socket has come again and is left out"
        self._log(logging.INFO, what, action="relay.redelivered", turn_id=turn.turn_id)
        return True

    async def _submitted(self, turn: Turn) -> PendingReply | None:
        """The reply that is awaited; None where the caller was told why there is none. Raises `CallEnded`."""
        try:
            return await self._filling(self._submitter.submit(turn), lambda: self.playout.is_quiet)
        except (CallRefused, StoreFull) as error:
            self._log(logging.WARNING, "A call was refused: %s", error, action="call.refused")
            await self.playout.say(twiml.BUSY)
            await self.playout.leave(HangUp(reason="refused"))
        except TurnRejected:
            await self.playout.say(twiml.REPEAT)
        except (StoreUnavailable, UnknownCall) as error:
            if not self._is_closing:
                await self._surrender(str(error))
            self._lose(turn)
        return None

    async def _look_after(self, reply: SpokenReply, silent_seconds: float) -> None:
        """A reply does not go on: hand its turn over again if it is lost, fill the silence, and at last give up."""
        again = self._submitter.again(reply.turn_id, reply.turn)
        replacement = await self._filling(again, lambda: not reply.is_open and not self.playout.clock.seconds_left)
        if replacement is not None:
            reply.pending = replacement
        elif silent_seconds > max(self._ingress.timeouts.hold, self._patience):
            self._metrics.unanswered(reply)
            await self._surrender("No worker answered the turn")

    async def _filling(self, work: Coroutine[Any, Any, T], is_silent: Callable[[], bool]) -> T:
        """What comes of `work`; who hears nothing for long is told that somebody is there."""
        task, fillers, pause = asyncio.create_task(work), 0, self._ingress.timeouts.filler_after
        try:
            while not (await asyncio.wait({task}, timeout=pause))[0]:
                pause = STILL_SPEAKING_SECONDS
                if self._is_closing or not is_silent():
                    continue
                try:
                    await self.playout.say(twiml.filler_text(fillers))
                except ConnectionLost:  # what the caller has said is stored all the same
                    await asyncio.wait({task})
                fillers, pause = fillers + 1, self._ingress.timeouts.wait
            return task.result()
        finally:
            await cancel_and_wait(task, seconds=1)

    @property
    def _patience(self) -> float:
        return self._ingress.settings.agent_timeout_seconds + AFTER_AGENT_SECONDS

    async def _surrender(self, why: str) -> None:
        self._log(logging.ERROR, "A caller was held in vain: %s", why, action="call.hold_timed_out")
        to = self._ingress.settings.transfer_to
        await self.playout.say(twiml.APOLOGY)
        await self.playout.leave(Transfer(to, reason="out of order") if to else HangUp(reason="out of order"))
        raise ConnectionLost

    def _done(self, reply: SpokenReply, result: TurnResult) -> None:
        if result.reply.text or result.reply.actions:
            gathers = [action for action in result.reply.actions if isinstance(action, Gather)]
            self._asked(gathers[-1] if gathers else Gather())
        self._submitter.remember()

    def _fault(self) -> None:
        self._connection.give_up(1011, "the session cannot go on")

    def _log(self, level: int, message: str, *args: object, action: str = "relay.frame", **extra: object) -> None:
        logger.log(level, message, *args, extra={"action": action, "call_sid": self.call_sid, **extra})


def _opening(setup: Setup) -> dict[str, Any]:
    return {
        "channel": CHANNEL,
        "direction": setup.direction,
        "from_number": setup.from_number,
        "to_number": setup.to_number,
    }
