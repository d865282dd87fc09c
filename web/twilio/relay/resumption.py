"""How a known call resumes over a new connection."""

import asyncio
import math
import time

from orchestrator import clock
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.hub import Pending
from orchestrator.errors import StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.relay_documents.store import Document
from orchestrator.turns.unheard import is_unfetched
from web.ingress import Ingress
from web.notices import note_reconnected
from web.twilio import twiml
from web.twilio.relay.call_reader import CallReader, Unanswered
from web.twilio.relay.connection import RelayConnection
from web.twilio.relay.connection_history import read_history
from web.twilio.relay.inbound_frames import Setup
from web.twilio.relay.playout import Playout
from web.twilio.relay.reply_metrics import CHANNEL
from web.twilio.relay.resume_point import (
    UnheardRest,
    rests_after,
    talked_over,
    unheard_replies,
    unheard_rests,
    voice_changes,
)
from web.twilio.relay.sent_replies import SentReplies, read_sent_replies
from web.twilio.relay.spoken_reply import SpokenReply

HISTORY_PARAMETER = "lines"
"""The parameter with the call's earlier connections."""
RETURNED_PARAMETER = "returned"
"""The parameter of a call that comes back from the person it was transferred to."""
CONFIRM_SECONDS = 15.0
"""How long replicas may take to confirm a reply before an ingress receives it."""
DELIVERY_SECONDS = 2.0
"""How long after an outage of Redis, at the latest, an ingress has found the replies that it missed."""
RETRY_SECONDS = 0.1


class Resumption:
    """Resumes the call of one session. A session without earlier connections may belong to a known call, too.

    It begins with `first_turn` if the caller is back from a person, or has left a message. It `goes_on_for` a session
    of this document whose socket is lost: the provider has opened a new one by itself, and speaks what it had received.
    """

    def __init__(
        self,
        ingress: Ingress,
        setup: Setup,
        connection: RelayConnection,
        playout: Playout,
        reader: CallReader,
        first_turn: Turn | None = None,
        goes_on_for: Document | None = None,
    ) -> None:
        self._ingress = ingress
        self._call_sid = setup.call_sid
        self._session_id = setup.session_id
        self.history = read_history(setup.parameters.get(HISTORY_PARAMETER, ""))
        self._goes_on_for = goes_on_for
        self._has_returned = RETURNED_PARAMETER in setup.parameters
        self._first_turn = first_turn
        self.is_return = first_turn is not None and goes_on_for is None
        """True if the caller has left an earlier session, which was not lost."""
        self.is_blind = False
        """True if nothing could be read about the call, which counts as new."""
        self._connection = connection
        self._playout = playout
        self._reader = reader

    async def read_call(self) -> tuple[Unanswered, ConversationState | None]:
        """Return the turns that wait for a reply, and the state.

        The caller of a known call is held until they can be read. The caller of a new call does not wait: the session
        `is_blind` then. Raises `StoreUnavailable` when the caller was held for too long.
        """
        if not self.history.any and self._first_turn is None and self._goes_on_for is None:
            try:
                state = await self._reader.state()
            except StoreUnavailable:
                self.is_blind = True
                return [], None
            if state is None:
                return [], None
        since, fillers = time.monotonic(), 0
        while True:
            try:
                return await self._reader.unanswered_and_state()
            except StoreUnavailable:
                waited = time.monotonic() - since
                if waited > self._ingress.timeouts.hold:
                    raise
                if waited > fillers * self._ingress.timeouts.wait:
                    await self._playout.say(twiml.filler_text(fillers))
                    catalog.count_filler(CHANNEL, "redis", fillers)
                    fillers += 1
            await asyncio.sleep(RETRY_SECONDS)

    async def resume(
        self, state: ConversationState, unanswered: Unanswered, *, has_spoken: bool, interrupted: str | None = None
    ) -> Turn | None:
        """Speak the replies that the caller waits for; without any, repeat what they may not have heard.

        A caller who `has_spoken` already does not hear the repetition. Then return the turn that tells the agent how
        far its reply was heard; also if they have `interrupted` what the provider still spoke. Return the session's
        first turn instead if the call has not had it. Raises `ConnectionLost`.
        """
        waiting = [turn_id for turn_id, _ in unanswered]
        if not self.is_return and (self.history.any or self._goes_on_for is not None):
            lost_at = self.history.spans[-1][1] if self.history.any else None
            note_reconnected(self._ingress, state, waiting, lost_at, self._connection.instead_of)
        first = self._first_turn if self._is_due(self._first_turn, state, unanswered) else None
        sent = self._sent()
        rests = self._rests(state, unanswered, sent) if first is None else unheard_replies(state)
        rests = [rest for rest in rests if rest.turn_id not in waiting]  # it settled while we read, and is said below
        if self._has_returned and self._first_turn is None and rests and rests[0].ending:
            rests = rests[1:]  # the transfer was heard and carried out
            await self._playout.say(twiml.BACK)
        told = first
        if interrupted and self._goes_on_for is not None and (cut_off := talked_over(state, interrupted)) is not None:
            told = first or self._interruption(cut_off)
            rests = [rest for rest in rests if rest.turn_id != cut_off.turn_id or rest.ending]
        elif has_spoken and rests and self._is_cut_off(rests[0], state):
            told, rests = self._interruption(rests[0]), rests[1:]
        if (frame := self._playout.voice.resume(voice_changes(state, rests))) is not None:
            await self._connection.send(frame)
        if sent is not None:
            self._recall(state, sent)
        for rest in rests:
            await self._say_rest(state, rest, sent)
        if self._playout.has_ended_session:
            return None
        for turn_id, pending in unanswered:
            is_unprompted = pending.turn is not None and is_unfetched(pending.turn)
            reply = SpokenReply(turn_id, pending, is_unprompted=is_unprompted)
            if sent is not None:
                self._go_on(reply, sent)
            self._playout.enqueue(reply)
        return told

    def _sent(self) -> SentReplies | None:
        """Return what the session before has sent, if this one goes on in its place and that is known."""
        if self._goes_on_for is None:
            return None
        texts = (self._ingress.sessions.take_sent(self._call_sid), self._reader.sent)
        opened = (self._ingress.sensitive_turns.opened_text(self._call_sid, text) for text in texts)
        known = map(read_sent_replies, opened)
        return max(filter(None, known), key=lambda sent: sent.at, default=None)

    def _recall(self, state: ConversationState, sent: SentReplies) -> None:
        """Let the caller interrupt the reply that the provider still speaks."""
        last = sent.replies[-1] if sent.replies else None
        record = state.record_of(last.turn_id) if last is not None and last.is_complete else None
        if record is not None and record.heard is None:
            reply = self._reply(record)
            reply.said, reply.utterances, reply.is_complete = record.reply.text, [0], True
            self._go_on(reply, sent)

    def _go_on(self, reply: SpokenReply, sent: SentReplies) -> None:
        """Go on with a reply of which something was `sent` before; the provider may still speak that."""
        was_sent = sent.find(reply.turn_id)
        if was_sent is not None and not was_sent.is_complete:
            was_sent.go_on(reply)
        left = sent.seconds_left_of(reply.turn_id, clock.now())
        if left and reply.said:
            self._playout.recall(reply, left)

    def _rests(self, state: ConversationState, unanswered: Unanswered, sent: SentReplies | None) -> list[UnheardRest]:
        """Return what to say. A caller who waits for a reply to their own words does not hear a repetition."""
        if sent is not None:
            return rests_after(state, sent)
        delay = CONFIRM_SECONDS if self._ingress.settings.redis_wait_replicas else 0.0
        history = self.history
        if self._goes_on_for is not None:  # when that connection was lost, nobody knows
            heard_at = max((r.received_at.timestamp() for r in state.turns if not is_unfetched(r)), default=0.0)
            history = history.with_lost(self._goes_on_for.at, heard_at)
        rests = unheard_rests(state, history, certain_from=self._certain_from, delay=delay)
        if all(pending.turn is not None and is_unfetched(pending.turn) for _, pending in unanswered):
            return rests
        return [rest for rest in rests if not rest.heard and _is_unprompted(rest, state)]

    @staticmethod
    def _is_cut_off(rest: UnheardRest, state: ConversationState) -> bool:
        """True if the words that a caller has spoken by now cut off the rest: they have talked over it.

        They have not if they did not ask for the reply, and have heard nothing of it.
        """
        return bool(rest.parts) and not rest.ending and (bool(rest.heard) or not _is_unprompted(rest, state))

    @staticmethod
    def _is_due(turn: Turn | None, state: ConversationState, unanswered: Unanswered) -> bool:
        if turn is None or state.record_of(turn.turn_id) is not None:
            return False
        return all(turn_id != turn.turn_id for turn_id, _ in unanswered)

    @property
    def _certain_from(self) -> float:
        """Return since when replies have certainly reached the ingress that had the call (Unix seconds)."""
        breaker = self._ingress.runtime.breaker
        if breaker is None:
            return -math.inf
        since = min(breaker.seconds_since_failure, breaker.seconds_since_unconfirmed)
        return clock.now() - since + DELIVERY_SECONDS

    def _interruption(self, rest: UnheardRest) -> Turn:
        return Turn(
            turn_id=f"{self._session_id}-0", call_sid=self._call_sid, kind="interrupted",
            text=rest.heard, interrupts=rest.turn_id,
        )  # fmt: skip

    async def _say_rest(self, state: ConversationState, rest: UnheardRest, sent: SentReplies | None) -> None:
        record = state.record_of(rest.turn_id)
        assert record is not None
        reply = self._reply(record)
        if sent is not None:
            self._go_on(reply, sent)
        else:
            reply.prefix = rest.heard
        await self._playout.say_rest(reply, rest.parts, rest.ending)

    def _reply(self, record: TurnRecord) -> SpokenReply:
        pending = Pending(self._call_sid, record.turn_id)
        pending.settle(record.result(self._call_sid))
        return SpokenReply(record.turn_id, pending, is_unprompted=is_unfetched(record))


def _is_unprompted(rest: UnheardRest, state: ConversationState) -> bool:
    record = state.record_of(rest.turn_id)
    return record is not None and is_unfetched(record)
