"""Hides what callers and clients bring in sensitive turns, before anything of it is stored, published or logged."""

from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property

from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.envelope import is_sealed
from orchestrator.errors import UnreadableSeal
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.sensitive_turns.hiding import hidden, opened, with_sealed_data
from orchestrator.sensitive_turns.replies import opened_reply, opened_result, with_whole
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

    def without_heard(self, turn: Turn) -> Turn:
        """Return `turn` without what the caller has heard, which may repeat what a sensitive turn brought."""
        if self.cipher is None:  # then nothing came of such turns that could be repeated
            return turn
        if turn.kind == "interrupted":
            return hidden(turn, self.cipher)
        unfinished = Turn(turn_id=turn.turn_id, call_sid=turn.call_sid, kind="silence", unfinished=turn.unfinished)
        sealed = hidden(unfinished, self.cipher).sealed_words
        return turn.model_copy(update={"unfinished": {}, "sealed_words": sealed})

    def without_data(self, turn: Turn) -> Turn:
        """Return a turn that is not sensitive itself without its data, which repeats what a sensitive one brought."""
        return with_sealed_data(turn, self.cipher) if self.cipher is not None else turn

    def texts(self, turns: Iterable[Turn | TurnRecord], state: ConversationState | None) -> dict[str, str]:
        """Return what those of `turns` brought that are hidden, by turn id, as far as it is known."""
        hidden_turns = [turn for turn in turns if turn.sensitive]
        if not hidden_turns:
            return {}
        texts: dict[str, str] = {}
        with suppress(UnreadableSeal):
            brought = hidden_words(state, self.cipher) if state is not None else {}
            texts = {turn.turn_id: brought[turn.turn_id][0] for turn in hidden_turns if brought.get(turn.turn_id)}
        for turn in hidden_turns:
            if isinstance(turn, Turn):
                with suppress(UnreadableSeal):
                    texts[turn.turn_id] = opened(turn, self.cipher).text
        return texts

    def whole(self, result: TurnResult) -> TurnResult:
        """Return `result` with its replies as the caller hears them."""
        return opened_result(result, self.cipher)

    def spoken(self, state: ConversationState) -> ConversationState:
        """Return `state` with its replies as the caller hears them. It is for speaking alone: nobody stores it."""
        if not any(_has_hidden(record) for record in state.turns):
            return state
        return state.model_copy(
            update={"turns": [self.spoken_record(record, state.call_sid) for record in state.turns]}
        )

    def spoken_record(self, record: TurnRecord, call_sid: str) -> TurnRecord:
        """Return `record` with its replies as the caller hears them."""
        if not _has_hidden(record):
            return record
        reply = opened_reply(record.reply, call_sid, self.cipher)
        preceding = [opened_reply(reply, call_sid, self.cipher) for reply in record.preceding]
        return record.model_copy(update={"reply": reply, "preceding": preceding})

    def given_again(self, call_sid: str, kept: Reply, whole: Reply) -> Reply:
        """Return `kept` as a reply that is given again: what it hides, the caller hears as in the `whole` one."""
        return with_whole(kept, whole, call_sid, self.cipher) if self.cipher is not None and kept != whole else kept

    def sealed_text(self, call_sid: str, text: str) -> str:
        """Return `text`, which goes to another ingress, encrypted; "" without a key."""
        return self.cipher.seal(_place(call_sid), text.encode()).decode() if self.cipher is not None else ""

    def opened_text(self, call_sid: str, text: str) -> str:
        """Return what `sealed_text` returned as `text`, "" if no key opens it; any other text as it is."""
        if not is_sealed(text.encode()):
            return text
        with suppress(UnreadableSeal):
            return self.cipher.open(_place(call_sid), text.encode()).decode() if self.cipher is not None else ""
        return ""

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
        text = self.texts([turn], None).get(turn.turn_id) if turn.sensitive else turn.text
        brought = self.texts([record], state).get(record.turn_id)
        return brought is None or text is None or text == brought


def _has_hidden(record: TurnRecord) -> bool:
    return bool(record.reply.sealed_words) or any(reply.sealed_words for reply in record.preceding)


def _place(call_sid: str) -> str:
    return f"{call_sid}/heard"
