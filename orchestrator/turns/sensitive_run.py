"""Sensitive turns as a runner sees them: it opens what was hidden for the agent, and hides it in all that is kept."""

from dataclasses import dataclass

from orchestrator.conversation.sensitive import awaits_sensitive
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import OWN_KINDS, Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.keys import KeyList
from orchestrator.errors import UnreadableSeal
from orchestrator.sensitive_turns.hiding import hidden, is_lost, opened
from orchestrator.sensitive_turns.redaction import Redaction
from orchestrator.sensitive_turns.replies import hidden_reply
from orchestrator.sensitive_turns.slots import opened_slots, with_hidden_slots
from orchestrator.sensitive_turns.words import hidden_words, sealed_words_of, words_of
from orchestrator.turns.merged_words import with_merged_words
from orchestrator.turns.messages import Arrival, Piece
from orchestrator.turns.sealed_pieces import sealed_piece
from orchestrator.turns.store import Claim


@dataclass(frozen=True, slots=True)
class SensitiveRun:
    """A turn of a call in which something is to be hidden. `turn` is the turn with what it brings.

    `redaction` hides what this turn and those before it brought, `brought` is what each of them brought, by turn id.
    """

    turn: Turn
    redaction: Redaction
    brought: dict[str, list[str]]
    cipher: Cipher

    def for_agent(self, state: ConversationState) -> tuple[Turn, ConversationState]:
        """Return the turn, with the words merged into it, and the state as the agent gets them.

        Its `hidden_words` are open, and the last of them is what the caller said or keyed in the last such turn.
        """
        merged = with_merged_words(self.turn, state, {turn_id: words[0] for turn_id, words in self.brought.items()})
        words = [text for texts in self.brought.values() for text in reversed(texts)]
        if merged.sensitive and merged.has_words and merged.text not in words[-1:]:
            words.append(merged.text)
        open_state = {"slots": opened_slots(state, self.cipher), "hidden_slots": {}, "hidden_words": words}
        return merged, state.model_copy(update=open_state)

    def piece(self, piece: Piece) -> Piece:
        """Return a piece of the reply as it is published."""
        return sealed_piece(piece, self.turn.call_sid, self.cipher)

    def hide(
        self, before: ConversationState, after: ConversationState | None, record: TurnRecord
    ) -> ConversationState | None:
        """Hide in `record` what sensitive turns brought, and note what this one did.

        Return `after`, which the agent has left of what `for_agent` made of `before`, as it is kept.
        """
        self._hide_in(record)
        return None if after is None else with_hidden_slots(before, after, self.redaction, self.cipher)

    def _hide_in(self, record: TurnRecord) -> None:
        hide, call_sid = self.redaction, self.turn.call_sid
        if record.kind not in (*OWN_KINDS, "ended"):
            record.text, record.digits = hide.text(record.text), hide.text(record.digits)
        record.data = hide.value(record.data)
        record.heard = None if record.heard is None else hide.text(record.heard)
        record.reply = hidden_reply(record.reply, hide, call_sid, self.cipher)
        if record.turn_id in self.brought:
            record.brought = sealed_words_of(call_sid, record.turn_id, self.brought[record.turn_id], self.cipher)


class SensitiveTurns:
    """Those that one runner runs. Without a cipher they fail."""

    def __init__(self, cipher: Cipher | None) -> None:
        self._cipher = cipher
        self._opens = cipher or Cipher(KeyList(None, (), reads_plain=False))  # which says what it lacks

    def begin(self, claim: Claim) -> SensitiveRun | None:
        """Return what runs the turn of `claim`; None if nothing is to be hidden in it, or it `is_lost`.

        A turn that an older ingress has not hidden is hidden now. In `claim.turn` stays what may be kept and shown.
        Raise `UnreadableSeal` if a key is missing. A claim in which something encrypted is damaged is `unreadable`.
        """
        try:
            return self._begin(claim)
        except UnreadableSeal as error:
            if error.is_key_missing:
                raise
            claim.unreadable = True
            return None

    def _begin(self, claim: Claim) -> SensitiveRun | None:
        turn, state = claim.turn, claim.state
        if state is None:
            return None
        if turn.has_words and not turn.sensitive and awaits_sensitive(state):
            claim.turn = turn = hidden(turn, self._cipher)
        has_hidden = turn.sealed_words or state.hidden_words or state.hidden_slots
        if not has_hidden or is_lost(turn):
            return None
        whole, brought = opened(turn, self._opens), hidden_words(state, self._opens)
        opened_slots(state, self._opens)
        if turn.sensitive and (turn.has_words or turn.kind == "signal") and (words := words_of(whole)):
            brought = {**brought, turn.turn_id: words}
        run = SensitiveRun(whole, Redaction(t for texts in brought.values() for t in texts), brought, self._opens)
        claim.turn = _shown(turn, run)
        return run

    def heard(self, arrival: Arrival) -> str | None:
        """Return what the caller had heard who interrupts; None if that is not known."""
        if not arrival.sealed_words:
            return arrival.text
        turn = Turn(
            turn_id=arrival.turn_id, call_sid=arrival.call_sid, kind="interrupted", sealed_words=arrival.sealed_words
        )
        try:
            return opened(turn, self._cipher).text
        except UnreadableSeal:
            return None


def _shown(turn: Turn, run: SensitiveRun) -> Turn:
    """Return the turn as its record and the plan see it."""
    whole, hide = run.turn, run.redaction
    unfinished = {turn_id: hide.text(said) for turn_id, said in whole.unfinished.items()}
    if turn.kind == "interrupted":
        return whole.model_copy(update={"text": hide.text(whole.text), "unfinished": unfinished, "sensitive": False})
    if turn.sensitive:
        return turn.model_copy(update={"unfinished": unfinished})
    changes = {"data": hide.value(whole.data), "unfinished": unfinished}
    if turn.has_words:
        changes.update(text=hide.text(whole.text), digits=hide.text(whole.digits))
    return whole.model_copy(update=changes)
