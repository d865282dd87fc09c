"""Counts the replies of one relay session: when their first words are sent, and when all of them are."""

from orchestrator.conversation.turn import Turn
from orchestrator.metrics import Metrics
from web.deliveries import UNANSWERED, Deliveries
from web.twilio.relay.spoken_reply import SpokenReply

CHANNEL = "relay"


class ReplyMetrics:
    """Reports a session's replies to `deliveries`; without it to metrics that nobody reads.

    A reply to a turn that another session submitted is counted too, unless its caller had it before.
    """

    def __init__(self, deliveries: Deliveries | None, call_sid: str) -> None:
        self._deliveries = deliveries or Deliveries(Metrics())
        self._call_sid = call_sid

    def submitted(self, turn: Turn) -> None:
        """Note that the store has accepted a turn of this session."""
        self._deliveries.submitted(self._call_sid, turn.turn_id, turn.received_at.timestamp())

    def first_words(self, reply: SpokenReply) -> None:
        """Note that the first words of a reply were sent."""
        self._deliveries.first_word(CHANNEL, self._call_sid, reply.turn_id, _since(reply))

    def answered(self, reply: SpokenReply) -> None:
        """Note that all of a reply was sent, or all that the caller let the agent say."""
        result = reply.pending.result
        outcome = result.outcome if result is not None else "interrupted"
        self._deliveries.answered(CHANNEL, self._call_sid, reply.turn_id, outcome, since=_since(reply))

    def resumed(self, reply: SpokenReply) -> None:
        """Note that the rest of an earlier session's reply was sent. It counts only if no caller had the reply yet."""
        if self._deliveries.is_awaited(self._call_sid, reply.turn_id):
            self.answered(reply)

    def unanswered(self, reply: SpokenReply) -> None:
        """Note that a reply never came."""
        self._deliveries.answered(CHANNEL, self._call_sid, reply.turn_id, UNANSWERED, since=_since(reply))


def _since(reply: SpokenReply) -> float | None:
    return reply.turn.received_at.timestamp() if reply.turn is not None else None
