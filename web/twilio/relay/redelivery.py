"""Recognises events that the provider sends twice: it loses a socket, opens another one by itself, and repeats them.

Twilio keeps up to 500 events for a socket that comes back (`applicationReconnect`, since October 2026). It does not
document whether the session id stays the same, nor whether it repeats events that it had delivered. So we make turn ids
unique ourselves. An event counts as a repetition if it comes in one burst with the new socket and the same words came
over the earlier one.
"""

import math
import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from secrets import token_hex

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from web.sensitive_turns import SensitiveTurns
from web.twilio.relay.call_reader import Unanswered
from web.twilio.relay.connection_history import ConnectionHistory

MAX_BURST_SECONDS = 30.0
RECENT = timedelta(seconds=30)
"""What was said longer than this before the last words on the earlier socket is not repeated."""
DURATION_ERROR_SECONDS = 1.5
"""The provider reports a session's duration in whole seconds: a turn received this much later still belongs to it."""


class TurnIds:
    """Makes the ids of one socket's turns unique in the call.

    Until `set_earlier` is called, every session id counts as used before.
    """

    def __init__(self) -> None:
        self._nonce = token_hex(4)
        self._earlier_sessions: frozenset[str] | None = None

    def set_earlier(self, turn_ids: Iterable[str]) -> None:
        """Learn the ids of all turns that the call has had."""
        self._earlier_sessions = frozenset(turn_id.rpartition("-")[0] for turn_id in turn_ids) - {""}

    def unique(self, turn: Turn) -> Turn:
        """Return the turn, whose id is `session-number`, with an id that no other socket gives."""
        session, _, number = turn.turn_id.rpartition("-")
        if not session or self._is_new(session):
            return turn
        return turn.model_copy(update={"turn_id": f"{session}-{self._nonce}-{number}"})

    def _is_new(self, session: str) -> bool:
        if self._earlier_sessions is None:
            return False
        return not any(known == session or known.startswith(f"{session}-") for known in self._earlier_sessions)


class Burst:
    """The events that follow the setup without a gap. They may be repetitions.

    An event that comes more than `gap_seconds` after the setup, or after the event before it, is new.
    """

    def __init__(self, gap_seconds: float) -> None:
        now = time.monotonic()
        self._gap_seconds = gap_seconds
        self._until = now + gap_seconds
        self._end = now + MAX_BURST_SECONDS

    def extend(self) -> None:
        """Note that an event has come."""
        if self.is_open:
            self._until = time.monotonic() + self._gap_seconds

    @property
    def is_open(self) -> bool:
        """True if an event that comes now belongs to the burst."""
        return time.monotonic() < min(self._until, self._end)


class EarlierWords:
    """What the caller said recently over earlier sockets of the same document. Each can be repeated once."""

    def __init__(self, sensitive_turns: SensitiveTurns) -> None:
        self._sensitive_turns = sensitive_turns
        self._said: Counter[tuple[str, str]] = Counter()

    def set_turns(
        self, session_id: str, history: ConnectionHistory, state: ConversationState, unanswered: Unanswered
    ) -> None:
        """Learn the call's turns. Those before the last connection in `history` was lost cannot be repeated."""
        made_at = history.spans[-1][1] + DURATION_ERROR_SECONDS if history.any else -math.inf
        turns: list[Turn | TurnRecord] = [*state.turns, *(p.turn for _, p in unanswered if p.turn is not None)]
        said = [
            turn
            for turn in turns
            if turn.kind in ("speech", "keys")
            and (turn.turn_id.startswith(f"{session_id}-") or turn.received_at.timestamp() > made_at)
        ]
        if said:
            recent = max(turn.received_at for turn in said) - RECENT
            said = [turn for turn in said if turn.received_at >= recent]
            hidden = self._sensitive_turns.texts(said, state)
            words = {turn.turn_id: (turn.kind, hidden.get(turn.turn_id, turn.text)) for turn in said}
            self._said = Counter(words.values())

    def pop(self, turn: Turn) -> bool:
        """True if this turn repeats one of them, which then no longer counts."""
        key = (turn.kind, turn.text)
        if not self._said[key]:
            return False
        self._said[key] -= 1
        return True
