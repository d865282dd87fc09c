"""Hides what callers and clients bring in sensitive turns, before anything of it is stored, published or logged."""

from functools import cached_property

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.sensitive_turns.hiding import hidden, opened
from orchestrator.sensitive_turns.words import hidden_words
from orchestrator.settings import Settings


class SensitiveTurns:
    """Those of one ingress. In production without a key what they bring is lost: their agent is not run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def cipher(self) -> Cipher | None:
        """The cipher of sensitive turns; None without a key."""
        return sensitive_cipher(self._settings)

    def hidden(self, turn: Turn) -> Turn:
        """Return `turn` without what it brings, which is encrypted in it."""
        return hidden(turn, self.cipher)

    def is_same(self, turn: Turn, record: TurnRecord, state: ConversationState) -> bool:
        """True if `turn` repeats the one of `record`, which is in `state`.

        A record that restarted the call has none of the turn's words. If nobody knows any more what a sensitive turn
        brought, every one of its kind counts as a repetition.
        """
        if record.kind == "started":
            return True
        if not record.sensitive:
            return (turn.kind, turn.text, turn.digits) == (record.kind, record.text, record.digits)
        if turn.kind != record.kind:
            return False
        try:
            brought = hidden_words(state, self.cipher).get(record.turn_id)
            return not brought or opened(turn, self.cipher).text == brought[0]
        except UnreadableSeal:
            return True
