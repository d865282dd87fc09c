"""Counts the turns of one relay session: when the first word of a reply is sent, and when the last."""

from orchestrator.conversation.turn import Turn
from orchestrator.metrics import Metrics
from web.deliveries import UNANSWERED, Deliveries
from web.twilio.relay.spoken_reply import SpokenReply

CHANNEL = "relay"


class ReplyMetrics:
    """What becomes of a session's speeches. One that another session handed over is counted, too, if nobody was given
    it before. Without `deliveries` nothing is counted for anybody to see."""

    def __init__(self, deliveries: Deliveries | None, call_sid: str) -> None:
        self._deliveries = deliveries or Deliveries(Metrics())
        self._call_sid = call_sid

    def handed_over(self, turn: Turn) -> None:
        """The store has a turn of this session."""
        self._deliveries.submitted(self._call_sid, turn.turn_id, turn.received_at.timestamp())

    def first_word(self, reply: SpokenReply) -> None:
        """The first words of a reply were sent."""
        self._deliveries.first_word(CHANNEL, self._call_sid, reply.turn_id, _since(reply))

    def answered(self, reply: SpokenReply) -> None:
        """All of a reply was sent, or as much of it as is wanted."""
        result = reply.pending.result
        outcome = result.outcome if result is not None else "interrupted"
        self._deliveries.answered(CHANNEL, self._call_sid, reply.turn_id, outcome, since=_since(reply))

    def repeated(self, reply: SpokenReply) -> None:
        """A reply of an earlier session was said again, or for the first time."""
        if self._deliveries.is_awaited(self._call_sid, reply.turn_id):
            self.answered(reply)

    def unanswered(self, reply: SpokenReply) -> None:
        """The reply never came."""
        self._deliveries.answered(CHANNEL, self._call_sid, reply.turn_id, UNANSWERED, since=_since(reply))


def _since(reply: SpokenReply) -> float | None:
    return reply.turn.received_at.timestamp() if reply.turn is not None else None
