"""What one call may hold: 1,000 turns, and 1 MB of JSON. Then it ends politely.

Each commit writes the whole state: without a bound, the traffic of a call grows with the square of its turns, and one
caller who never stops fills Redis.
"""

import logging

from pydantic_core import to_json

from orchestrator.conversation.actions import LEAVING_ACTIONS, Gather, HangUp
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.timings import Timings
from orchestrator.turns.store import Claim
from orchestrator.turns.unheard import is_unfetched, unheard_bytes

logger = logging.getLogger(__name__)

MOST_TURNS = 1000
MOST_BYTES = 1_000_000
RESERVED_BYTES = 4_000
"""Bytes kept free for the last record and the record of the call's end."""
LATE_TIMINGS_BYTES = 80
"""What the record of an earlier turn grows by, at most, when a turn brings timings of it."""
OTHER_BYTES = 4_000
"""More than the fields of a record have together that its turn and its reply do not bring."""
LONGEST_ESCAPE = 6
"""How many bytes a character may take in JSON."""
TOO_LONG = "We have talked for as long as one call can hold, so I have to end it here. Please call again. Goodbye."
TOO_LONG_REASON = "the call holds as much as a call may"

_ENDINGS = (*LEAVING_ACTIONS, Gather)


def is_full(claim: Claim, state: ConversationState) -> bool:
    """True if the agent cannot take this turn: its record would be the last one, or would not fit."""
    if claim.turn.kind == "ended":
        return False
    if len(state.turns) >= MOST_TURNS - 1:
        return True
    spare = MOST_BYTES - RESERVED_BYTES - _size(claim, state)
    most = most_turn_bytes(claim)
    return (most is None or most > spare) and len(claim.turn.model_dump_json()) > spare


def last_record(claim: Claim, state: ConversationState) -> TurnRecord:
    """Return the record of a turn that a full call answers by ending."""
    _log(claim)
    record = _with_end(TurnRecord.of(claim.turn, "replied", Reply(), epoch=claim.lease.epoch))
    return record if _size(claim, state) + _length(record) <= MOST_BYTES else _cut(record)


def fitted(
    claim: Claim, state: ConversationState, after: ConversationState | None, record: TurnRecord
) -> tuple[TurnRecord, ConversationState | None]:
    """Return `record` and what the agent changed, reduced so that the state with them stays within the bound.

    What does not fit is left out, and the call ends, unless it ends anyway.
    """
    size = _size(claim, state) + LATE_TIMINGS_BYTES * len(late_timings(claim, state))
    spare = 0 if record.kind == "ended" or state.ended is not None else RESERVED_BYTES
    if is_unfetched(record) and state.channel == "gather":  # the record of the webhook that fetches it holds it again
        spare += unheard_bytes(state) + _length(record)
    if _surely_fits(claim, after, record, MOST_BYTES - size - spare):
        return record, after
    if size + _growth(state, after, record) + spare <= MOST_BYTES:
        return record, after
    ends = state.ended is not None or record.kind == "ended" or record.outcome == "dropped" or _hangs_up(record)
    last = record if ends else _with_end(record)
    _log(claim)
    for changed in (after, None):
        if size + _growth(state, changed, last) <= MOST_BYTES:
            return last, changed
    return _cut(last), None


def late_timings(claim: Claim, state: ConversationState | None) -> dict[str, Timings]:
    """Return the timings of earlier turns that the turn brings; none if they would need what is reserved."""
    late = claim.turn.late_timings
    if not late or state is None:
        return {}
    return late if _size(claim, state) + LATE_TIMINGS_BYTES * len(late) + RESERVED_BYTES <= MOST_BYTES else {}


def is_refusal(result: TurnResult) -> bool:
    """True if a turn was not run because its call was full."""
    return result.reply.text == TOO_LONG and any(
        isinstance(action, HangUp) and action.reason == TOO_LONG_REASON for action in result.reply.actions
    )


def _size(claim: Claim, state: ConversationState) -> int:
    """Return the size of the state's JSON in bytes."""
    if claim.stored_bytes is None:
        claim.stored_bytes = len(state.model_dump_json().encode())
    return claim.stored_bytes


def most_turn_bytes(claim: Claim) -> int | None:
    """Return what the JSON of the claimed turn has at most, as a turn or as a record, without writing it; None if it
    is not known how long it was when it was submitted."""
    # What is encrypted is a third longer; some fields are written that may be left out when a turn is read.
    return None if claim.turn_bytes is None else 2 * claim.turn_bytes + OTHER_BYTES


def _surely_fits(claim: Claim, after: ConversationState | None, record: TurnRecord, spare: int) -> bool:
    """True if the record and what the agent changed have at most `spare` bytes by a rough count, which costs less than
    the exact one."""
    most, reply = most_turn_bytes(claim), record.reply
    if most is None or record.preceding or record.phases:
        return False
    texts = len(reply.text) + len(reply.sealed_words) + len(record.brought) + len(record.reason)
    actions = sum([len(action.model_dump_json()) for action in reply.actions])
    kept = 0 if after is None else _kept(after)  # all of it counts as new
    return most + LONGEST_ESCAPE * texts + actions + kept + OTHER_BYTES <= spare


def _growth(state: ConversationState, after: ConversationState | None, record: TurnRecord) -> int:
    return _length(record) + (_kept(after) - _kept(state) if after is not None else 0)


def _length(record: TurnRecord) -> int:
    # What else changes with a turn: what a sensitive one brought, the version, times, a status.
    return len(record.model_dump_json().encode()) + len(record.brought) + 120


def _kept(state: ConversationState) -> int:
    return len(to_json(state.slots)) + len(to_json(state.hidden_slots)) + len(to_json(state.phase))


def _log(claim: Claim) -> None:
    logger.warning(
        "A call holds as much as a call may, and ends",
        extra={"action": "call.limit_reached", "call_sid": claim.lease.call_sid, "turn_id": claim.turn.turn_id},
    )


def _hangs_up(record: TurnRecord) -> bool:
    return any(isinstance(action, HangUp) for action in record.reply.actions)


def _with_end(record: TurnRecord) -> TurnRecord:
    text = f"{record.reply.text.rstrip()} {TOO_LONG}" if record.reply.text.strip() else TOO_LONG
    actions = [action for action in record.reply.actions if not isinstance(action, _ENDINGS)]
    return record.model_copy(update={"reply": Reply(text=text, actions=[*actions, HangUp(reason=TOO_LONG_REASON)])})


def _cut(record: TurnRecord) -> TurnRecord:
    """Return the record without the words that do not fit."""
    ending = [action for action in record.reply.actions if isinstance(action, HangUp)]
    said = TOO_LONG if ending and ending[-1].reason == TOO_LONG_REASON else ""
    changes = {"digits": "", "heard": None, "reply": Reply(text=said, actions=ending[:1])}
    return record.model_copy(update={**changes, "text": record.text if record.kind == "ended" else ""})
