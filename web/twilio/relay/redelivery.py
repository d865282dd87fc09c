"""What a provider may send twice: it loses a socket, opens another one by itself, and sends again what it had sent.

Twilio keeps up to 500 events for a socket that comes back (`applicationReconnect`, since October 2026). It does not
document whether the session id stays, nor whether events come again that had been delivered. So a turn's id is made
unique here, and what comes in one burst with the new socket, and was said over the one before, is taken for the same.
"""

import math
import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from secrets import token_hex

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from web.twilio.relay.connection_history import ConnectionHistory
from web.twilio.relay.turn_submitter import Unanswered

BURST_GAP_SECONDS = 2.0
"""What comes later than this after the setup, or after the event before it, was said just now."""
LONGEST_BURST_SECONDS = 30.0
RECENT = timedelta(seconds=30)
"""What was said so long before the last words on the earlier socket is not sent again."""
LOST_WITHIN_SECONDS = 1.5
"""A session's duration comes in whole seconds: what was received so soon after its end was received in it."""


class TurnIds:
    """Makes the ids of one socket's turns unique in the call. Until it is told what came before, no session is new."""

    def __init__(self) -> None:
        self._nonce = token_hex(4)
        self._sessions: frozenset[str] | None = None

    def came_before(self, turn_ids: Iterable[str]) -> None:
        """These are all the turns of the call that there are."""
        self._sessions = frozenset(turn_id.rpartition("-")[0] for turn_id in turn_ids) - {""}

    def unique(self, turn: Turn) -> Turn:
        """The turn, whose id is `session-number`, with one that no other socket gives."""
        session, _, number = turn.turn_id.rpartition("-")
        if not session or self._is_new(session):
            return turn
        return turn.model_copy(update={"turn_id": f"{session}-{self._nonce}-{number}"})

    def _is_new(self, session: str) -> bool:
        if self._sessions is None:
            return False
        return not any(known == session or known.startswith(f"{session}-") for known in self._sessions)


class Burst:
    """Whether what comes may have been sent before: it follows the setup, one after the other."""

    def __init__(self) -> None:
        now = time.monotonic()
        self._until = now + BURST_GAP_SECONDS
        self._end = now + LONGEST_BURST_SECONDS

    def note(self) -> None:
        """An event has come."""
        if self.is_on:
            self._until = time.monotonic() + BURST_GAP_SECONDS

    @property
    def is_on(self) -> bool:
        """Whether it goes on."""
        return time.monotonic() < min(self._until, self._end)


class SaidBefore:
    """What was said lately over earlier sockets of the same document; each is taken for sent again once."""

    def __init__(self) -> None:
        self._said: Counter[tuple[str, str]] = Counter()

    def remember(
        self, session_id: str, history: ConnectionHistory, state: ConversationState, unanswered: Unanswered
    ) -> None:
        """Take in what the call's turns were. Those before its last document (`history`) cannot come again."""
        made_at = history.spans[-1][1] + LOST_WITHIN_SECONDS if history.any else -math.inf
        turns: list[Turn | TurnRecord] = [*state.turns, *(p.turn for _, p in unanswered if p.turn is not None)]
        said = [
            turn
            for turn in turns
            if turn.kind in ("speech", "keys")
            and (turn.turn_id.startswith(f"{session_id}-") or turn.received_at.timestamp() > made_at)
        ]
        if said:
            recent = max(turn.received_at for turn in said) - RECENT
            told = {turn.turn_id: (turn.kind, turn.text) for turn in said if turn.received_at >= recent}
            self._said = Counter(told.values())

    def took(self, turn: Turn) -> bool:
        """Whether this is one of them, come again."""
        key = (turn.kind, turn.text)
        if not self._said[key]:
            return False
        self._said[key] -= 1
        return True
