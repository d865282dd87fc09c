"""Counts the replies of one relay session: when their first words are sent and heard, and when all of them are sent."""

from orchestrator import clock
from orchestrator.conversation.timings import FIRST_HEARD, FIRST_SENT, milliseconds_since
from orchestrator.conversation.turn import Turn
from orchestrator.metrics import Metrics
from web.deliveries import UNANSWERED, Deliveries
from web.late_timings import LateTimings
from web.twilio.relay.spoken_reply import SpokenReply

CHANNEL = "relay"


class ReplyMetrics:
    """Reports a session's replies to `deliveries`, and what is known of them after their commit to `late_timings`.

    Without these, nobody reads what is reported.

    A reply to a turn that another session submitted is counted too, unless its caller had it before.
    """

    def __init__(self, deliveries: Deliveries | None, call_sid: str, late_timings: LateTimings | None = None) -> None:
        self._deliveries = deliveries or Deliveries(Metrics())
        self._late_timings = late_timings or LateTimings()
        self._call_sid = call_sid

    def submitted(self, turn: Turn) -> None:
        """Note that the store has accepted a turn of this session."""
        self._deliveries.submitted(self._call_sid, turn.turn_id, turn.received_at.timestamp())

    def words_sent(self, reply: SpokenReply) -> None:
        """Note that words of a reply were sent."""
        if reply.first_sent_ms is None:
            self._deliveries.first_word(CHANNEL, self._call_sid, reply.turn_id, _since(reply))
            if reply.turn is not None:
                reply.first_sent_ms = milliseconds_since(reply.turn.received_at.timestamp(), clock.now())
                self._late_timings.note(reply.turn, FIRST_SENT, reply.first_sent_ms)

    def speech_begun(self, reply: SpokenReply) -> None:
        """Note that the provider begins to speak the reply, or to speak it again after an action in it."""
        if reply.turn is None or reply.first_sent_ms is None or reply.first_heard_ms is not None:
            return
        heard = milliseconds_since(reply.turn.received_at.timestamp(), clock.now())
        reply.first_heard_ms = max(heard, reply.first_sent_ms)
        self._late_timings.note(reply.turn, FIRST_HEARD, reply.first_heard_ms)
        self._deliveries.speech_begun((reply.first_heard_ms - reply.first_sent_ms) / 1000)

    def answered(self, reply: SpokenReply) -> None:
        """Note that all of a reply was sent, or all that the caller let the agent say."""
        result = reply.pending.result
        outcome = result.outcome if result is not None else "interrupted"
        timings = result.timings if result is not None else None
        since = _since(reply)
        self._deliveries.answered(CHANNEL, self._call_sid, reply.turn_id, outcome, since=since, timings=timings)

    def resumed(self, reply: SpokenReply) -> None:
        """Note that the rest of an earlier session's reply was sent. It counts only if no caller had the reply yet."""
        if self._deliveries.is_awaited(self._call_sid, reply.turn_id):
            self.answered(reply)

    def unanswered(self, reply: SpokenReply) -> None:
        """Note that a reply never came."""
        self._deliveries.answered(CHANNEL, self._call_sid, reply.turn_id, UNANSWERED, since=_since(reply))


def _since(reply: SpokenReply) -> float | None:
    return reply.turn.received_at.timestamp() if reply.turn is not None else None
