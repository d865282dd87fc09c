"""The turns of one relay session: how they are submitted and answered, and what happens when that fails."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any, TypeVar

from orchestrator import error_logging
from orchestrator.conversation.actions import Gather
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import OWN_PREFIX, Turn
from orchestrator.errors import CallEnded, StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.relay_documents.store import Document
from orchestrator.routes.choice import Choice
from orchestrator.tasks import cancel_and_wait
from web.ingress import Ingress
from web.request_trace import frame_entry
from web.twilio import twiml
from web.twilio.relay.call_reader import CallReader, Unanswered
from web.twilio.relay.connect import NO_CONNECTIONS, provider_reconnects
from web.twilio.relay.connection import ConnectionLost, RelayConnection
from web.twilio.relay.inbound_frames import Setup
from web.twilio.relay.last_known_state import LastKnownState
from web.twilio.relay.own_turns import OwnTurns
from web.twilio.relay.playout import Playout
from web.twilio.relay.redelivery import EarlierWords, TurnIds
from web.twilio.relay.relay_voice import RelayVoice
from web.twilio.relay.reply_metrics import CHANNEL, ReplyMetrics
from web.twilio.relay.resume_point import last_gather
from web.twilio.relay.resumption import Resumption
from web.twilio.relay.sensitive_answers import SensitiveAnswers
from web.twilio.relay.spoken_reply import SpokenReply
from web.twilio.relay.turn_answers import TurnAnswers
from web.twilio.relay.turn_queue import TurnQueue
from web.twilio.relay.turn_submitter import Opening, TurnSubmitter
from web.twilio.turn_ids import START

logger = logging.getLogger(__name__)

T = TypeVar("T")

LAST_WORDS_SECONDS = 30.0
"""How long it may take to store what was said over a connection that is lost."""


class SessionTurns:
    """Begins the call at once, by `choice`, and submits its turns in the background, one after the other.

    `on_gather` gets how the next answer is collected. `on_silent_in` gets in how many seconds a caller who has come
    back will hear nothing more unless they speak.
    """

    def __init__(
        self,
        ingress: Ingress,
        connection: RelayConnection,
        setup: Setup,
        choice: Choice,
        *,
        on_gather: Callable[[Gather], None],
        on_silent_in: Callable[[float], None],
        first_turn: Turn | None = None,
        goes_on_for: Document | None = None,
        awaits_sensitive: bool = False,
    ) -> None:
        self.call_sid = setup.call_sid
        self.sensitive = SensitiveAnswers(ingress.sensitive_turns, are_awaited=awaits_sensitive)
        self._ingress = ingress
        self._connection = connection
        self._on_gather = on_gather
        self._on_silent_in = on_silent_in
        self._session_id = setup.session_id
        self._ids = TurnIds()
        self._earlier_words = EarlierWords(ingress.sensitive_turns)
        self._has_begun = self._is_closing = False
        self._may_be_replayed = provider_reconnects(ingress.settings, connection.provider)
        self._cut_off_count = 0
        self.early_interruption: str | None = None
        """What the caller has heard of a reply of the session before, by an interruption that came too early."""
        self._waiting = TurnQueue()
        self._storing: Turn | None = None
        reader = CallReader(ingress, setup.call_sid)
        self._last_known = LastKnownState(
            reader.current_state,
            is_shared=ingress.settings.use_redis,
            on_read=lambda state: self._own.catch_up(ingress.sensitive_turns.spoken(state)),
        )
        opening = Opening.of(setup, choice)
        self._submitter = TurnSubmitter(ingress, setup.call_sid, opening, reader, self._last_known)
        self._metrics = ReplyMetrics(ingress.deliveries, setup.call_sid, ingress.late_timings)
        self.playout = Playout(
            connection,
            replace=lambda reply: self._answers.replacement(reply),
            on_result=self._on_result,
            on_error=self._on_error,
            stall_seconds=ingress.timeouts.relay.stall,
            voice=RelayVoice.of(ingress, connection.provider, setup),
            metrics=self._metrics,
            nothing_missed=lambda: self._own.nothing_missed(),
        )
        self._answers = TurnAnswers(
            ingress, self.call_sid, self._submitter, self.playout, self._metrics, lambda: self._is_closing
        )
        self._own = OwnTurns(self.call_sid, self.playout, self._last_known, self._note_cut_off)
        self._stop_listening = ingress.runtime.dispatcher.listeners.add(self.call_sid, self._own)
        self._resumption = Resumption(ingress, setup, connection, self.playout, reader, first_turn, goes_on_for)
        self._task: asyncio.Task[None] | None = None
        self._start(self._begin(), "begin")

    @property
    def has_begun(self) -> bool:
        """True once it is known what the caller has heard so far."""
        return self._has_begun

    @property
    def is_idle(self) -> bool:
        """True if no turn is being submitted, and nothing is being said."""
        return self._task is None and self.playout.is_idle

    @property
    def is_full(self) -> bool:
        """True if no more turns may wait to be stored."""
        return self._waiting.is_full

    def submit(self, turn: Turn, *, may_be_repeated: bool = False) -> None:
        """Submit a turn after those before it, and speak the reply.

        A turn that `may_be_repeated` is left out if it came over an earlier socket.
        """
        if self._has_begun and may_be_repeated and self._is_repeated(turn):
            self._on_silent_in(self.playout.clock.seconds_left)
            return
        if turn.has_words:
            self.playout.pause()
        self._waiting.append(turn, may_be_repeated=may_be_repeated)
        if self._task is None:
            self._start(self._submit_waiting(), "submit turns of")

    async def close(self) -> None:
        """Stop speaking; return once what the caller said is stored. Submitted turns still get their results."""
        self._is_closing = self._submitter.is_disconnected = True
        self._stop_listening()
        self._waiting.drop_silences()
        await self.playout.close()
        if self._may_be_replayed and not self.playout.has_ended_session:
            sent = self.sensitive.sealed(self.call_sid, self.playout.sent.json)
            self._ingress.sessions.note_sent(self.call_sid, sent)
        await self._store_last_words()
        await cancel_and_wait(self._task, seconds=1)
        await self._last_known.close()

    async def _store_last_words(self) -> None:
        end = time.monotonic() + LAST_WORDS_SECONDS
        while (self._waiting or self._storing is not None) and (left := end - time.monotonic()) > 0:
            if self._task is None:
                self._start(self._submit_waiting(), "submit turns of")
            assert self._task is not None
            await asyncio.wait({self._task}, timeout=left)
        for turn in filter(None, [self._storing, *self._waiting.pop_all()]):
            self._answers.log_lost(turn)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._task = asyncio.create_task(work, name=f"{name} {self.call_sid}")
        self._task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            if not isinstance(error, ConnectionLost):
                extra = {"action": "relay.failed"}
                error_logging.log(logging.ERROR, logger, "A relay session failed: %s", error=error, extra=extra)
            self._on_error()
        elif self._waiting:
            self._start(self._submit_waiting(), "submit turns of")

    async def _begin(self) -> None:
        """Greet the caller of a new call; resume a known one."""
        try:
            unanswered, state = await self._resumption.read_call()
        except StoreUnavailable as error:
            await self._answers.apologise_and_end(str(error))
            return
        self._last_known.keep(state)
        if self._resumption.is_blind:
            self._own.begin_blind()
        else:
            known = [turn_id for turn_id, _ in unanswered]
            known += [record.turn_id for record in state.turns] if state is not None else []
            self._ids.set_earlier(known)
            self._own.know(turn_id for turn_id in known if turn_id.startswith(OWN_PREFIX))
        if state is not None and (state.turns or unanswered):
            await self._resume(self._ingress.sensitive_turns.spoken(state), unanswered)
        else:
            self._has_begun = True
            self._waiting.insert_first(Turn(turn_id=START, call_sid=self.call_sid, kind="started"))
        self._own.place()
        await self._submit_waiting()

    async def _resume(self, state: ConversationState, unanswered: Unanswered) -> None:
        self._log(logging.INFO, "A call resumes over a new socket", action="relay.resumed")
        self._on_gather(last_gather(state))
        self.sensitive.resume(state)
        if not self._resumption.is_return:
            history = NO_CONNECTIONS if self._may_be_replayed else self._resumption.history
            self._earlier_words.set_turns(self._session_id, history, state, unanswered)
        self._drop_repeated()
        self._has_begun = True
        has_spoken, interrupted = self._waiting.has_words, self.early_interruption
        first = await self._resumption.resume(state, unanswered, has_spoken=has_spoken, interrupted=interrupted)
        if first is not None:
            self._waiting.insert_first(first)
        if state.ended is not None:
            await self.playout.hang_up(twiml.GOODBYE)
        elif not unanswered and first is None:
            self._on_silent_in(self.playout.clock.seconds_left)

    def _drop_repeated(self) -> None:
        """Drop the repetitions that came before we knew what was said over the earlier sockets."""
        for turn in self._waiting.drop_repeated(self._is_repeated):
            if turn.has_words:
                self.playout.resume()

    def _is_repeated(self, turn: Turn) -> bool:
        if not self._earlier_words.pop(turn):
            return False
        catalog.DUPLICATES_ABSORBED.inc(CHANNEL)
        what = "Ignored words that had come over an earlier socket"
        self._log(logging.INFO, what, action="relay.redelivered", turn_id=turn.turn_id)
        return True

    async def _submit_waiting(self) -> None:
        while self._waiting:
            turn = self._ids.unique(self._waiting.pop())
            if turn.has_words and (unfinished := self.playout.take_unfinished_texts()):
                turn = turn.model_copy(update={"unfinished": unfinished})
            if not turn.is_own and (unspoken := self.playout.unspoken_ids()):
                turn = turn.model_copy(update={"unspoken": unspoken})
            turn = self._ingress.late_timings.sent_with(self.sensitive.hidden(turn, self.playout.unfinished))
            pending, has_ended, self._storing = None, False, turn
            self._own.hold()
            self._own.know([turn.turn_id] if turn.is_own else [])
            entry = frame_entry(turn.kind, self._connection.provider, turn.received_at.timestamp())
            try:
                with nullcontext() if entry is None else entry.current():
                    pending = await self._answers.submitted(turn)
            except CallEnded:
                has_ended = True
            finally:
                self._storing = None
                if entry is not None and pending is None:
                    entry.end()
            if turn.has_words:
                self.playout.resume()
            if has_ended:
                await self.playout.hang_up(twiml.GOODBYE)
            elif pending is not None:
                self._metrics.submitted(turn)
                self._ingress.late_timings.stored(turn)
            if pending is not None and not self._is_closing:
                self.playout.enqueue(SpokenReply(turn.turn_id, pending, turn, entry=entry))
            elif entry is not None:
                entry.end()
            self._own.place()
            # A dispatcher in this process begins the turn before the next one can interrupt it: words that come before
            # the setup do not suppress the greeting.
            await asyncio.sleep(0)

    def _note_cut_off(self, reply: SpokenReply) -> None:
        """Tell the store what the caller hears of a reply that a turn of somebody else's has cut off."""
        self._cut_off_count += 1
        noted = Turn(
            turn_id=f"{self._session_id}-cut{self._cut_off_count}", call_sid=self.call_sid, kind="interrupted",
            text=reply.heard, interrupts=reply.turn_id, given_reply=Reply(),
        )  # fmt: skip
        self.submit(noted)

    def _on_result(self, reply: SpokenReply, result: TurnResult) -> None:
        self.sensitive.answered(reply, result)
        if result.reply.text or result.reply.actions:
            gathers = [action for action in result.reply.actions if isinstance(action, Gather)]
            if gathers or not reply.is_unprompted:
                self._on_gather(gathers[-1] if gathers else Gather())
        self._last_known.refresh()

    def _on_error(self) -> None:
        self._connection.close(1011, "the session cannot go on")

    def _log(self, level: int, message: str, *args: object, action: str, **extra: object) -> None:
        logger.log(level, message, *args, extra={"action": action, "call_sid": self.call_sid, **extra})
