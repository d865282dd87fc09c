"""Which of the caller's words are sensitive in one relay session. The provider is not told, so the session remembers.

They are so from the reply that asks for them until such words are answered: until then, more of them may come.
"""

from collections.abc import Iterable

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.sensitive import asks_for_sensitive, awaits_sensitive
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from web.sensitive_turns import SensitiveTurns
from web.twilio.relay.spoken_reply import SpokenReply


class SensitiveAnswers:
    """Hides the session's sensitive turns, and what may repeat them. They `are_awaited` from the beginning if the
    session's document says so."""

    def __init__(self, sensitive_turns: SensitiveTurns, *, are_awaited: bool = False) -> None:
        self._sensitive_turns = sensitive_turns
        self._are_awaited = are_awaited
        self.have_come = False
        """True if the call has had a sensitive turn: replies, and what is heard of them, may repeat what it brought."""

    def resume(self, state: ConversationState) -> None:
        """Learn what the call has asked for and had so far."""
        self._are_awaited = awaits_sensitive(state)
        self.have_come = self.have_come or any(record.sensitive for record in state.turns)

    def answered(self, reply: SpokenReply, result: TurnResult) -> None:
        """Note what a reply asks for, and whether it answers sensitive words."""
        turn = reply.turn or reply.pending.turn
        if turn is not None and turn.sensitive:
            self.have_come = True
            self._are_awaited = self._are_awaited and not (turn.has_words and _is_answer(reply, result))
        self._are_awaited = self._are_awaited or _asks(result)

    def hidden(self, turn: Turn, replies: Iterable[SpokenReply]) -> Turn:
        """Return `turn` as it may be submitted while these `replies` are spoken or wait."""
        if turn.has_words and (self._are_awaited or any(_asks(reply.pending.result) for reply in replies)):
            self._are_awaited = self.have_come = True
            return self._sensitive_turns.hidden(turn)
        if self.have_come and (turn.kind == "interrupted" or turn.unfinished):
            return self._sensitive_turns.without_heard(turn)
        return turn

    def sealed(self, call_sid: str, sent: str) -> str:
        """Return what was `sent` of replies as it may go to another ingress: encrypted if it may repeat something."""
        return self._sensitive_turns.sealed_text(call_sid, sent) if self.have_come else sent


def _is_answer(reply: SpokenReply, result: TurnResult) -> bool:
    """True if the caller has heard an answer. After none, or an apology, they say the same again, or the rest of it."""
    if result.outcome == "interrupted":
        return bool(reply.said.strip())
    return result.outcome not in ("failed", "timed_out", "dropped")


def _asks(result: TurnResult | None) -> bool:
    return result is not None and asks_for_sensitive(result.reply.actions)
