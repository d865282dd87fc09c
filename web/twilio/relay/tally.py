"""Counts the turns of one relay session: when the first word of a reply is sent, and when the last."""

from orchestrator.conversation.turn import Turn
from orchestrator.metrics import Metrics
from web.deliveries import UNANSWERED, Deliveries
from web.twilio.relay.speech import Speech

CHANNEL = "relay"


class Tally:
    """What becomes of a session's speeches. One that another session handed over is counted, too, if nobody was given
    it before. Without `deliveries` nothing is counted for anybody to see."""

    def __init__(self, deliveries: Deliveries | None, call_sid: str) -> None:
        self._deliveries = deliveries or Deliveries(Metrics())
        self._call_sid = call_sid

    def handed_over(self, turn: Turn) -> None:
        """The store has a turn of this session."""
        self._deliveries.submitted(self._call_sid, turn.turn_id, turn.received_at.timestamp())

    def first_word(self, speech: Speech) -> None:
        """The first words of a reply were sent."""
        self._deliveries.first_word(CHANNEL, self._call_sid, speech.turn_id, _since(speech))

    def answered(self, speech: Speech) -> None:
        """All of a reply was sent, or as much of it as is wanted."""
        result = speech.pending.result
        outcome = result.outcome if result is not None else "interrupted"
        self._deliveries.answered(CHANNEL, self._call_sid, speech.turn_id, outcome, since=_since(speech))

    def repeated(self, speech: Speech) -> None:
        """A reply of an earlier session was said again, or for the first time."""
        if self._deliveries.is_awaited(self._call_sid, speech.turn_id):
            self.answered(speech)

    def unanswered(self, speech: Speech) -> None:
        """The reply never came."""
        self._deliveries.answered(CHANNEL, self._call_sid, speech.turn_id, UNANSWERED, since=_since(speech))


def _since(speech: Speech) -> float | None:
    return speech.turn.received_at.timestamp() if speech.turn is not None else None
