"""Bringing a call that went on in one process's memory back to where all can see it."""

from typing import Any

from orchestrator.conversation.silence import seconds_open
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.errors import StateConflict
from orchestrator.state.base import StateManagerBase

TRIES = 10
_NOTHING: Any = object()


async def write_back(
    states: StateManagerBase, ours: ConversationState, base: ConversationState | None = None
) -> ConversationState:
    """Write what happened here into `states`, on top of whatever happened there; the state that holds both.

    `base` is what we went on from, None if the call began here: only what we changed since counts as ours. Where
    both sides changed the same, what the caller heard, which is ours, wins. It may be repeated: what was written before
    is found there. Raises `StateConflict` if the state there keeps changing, `StoreUnconfirmed` while it is written,
    but may still be lost.
    """
    call_sid = ours.call_sid
    base = base or ConversationState(call_sid=call_sid)
    for _ in range(TRIES):
        theirs = await states.get_confirmed_state(call_sid)
        if theirs is None:
            theirs = await states.create_state(call_sid, created_at=ours.created_at, channel=ours.channel)
        elif _holds(theirs, base, ours):
            return theirs
        try:
            written = await states.update_state(_joined(base, theirs, ours))
        except StateConflict:
            continue
        if open_for := seconds_open(written):
            await states.keep_alive([call_sid], open_for)
        return written
    raise StateConflict


def _holds(theirs: ConversationState, base: ConversationState, ours: ConversationState) -> bool:
    """Whether all that happened here since `base` is there already: these runs of the turns, and no others of them."""
    before, there = ({record.turn_id: record.committed_at for record in state.turns} for state in (base, theirs))
    new = [record for record in ours.turns if before.get(record.turn_id) != record.committed_at]
    has_ended = theirs.ended is not None or ours.ended is None
    return bool(new) and has_ended and all(there.get(record.turn_id) == record.committed_at for record in new)


def _joined(base: ConversationState, theirs: ConversationState, ours: ConversationState) -> ConversationState:
    effects = theirs if _is_theirs_void(base.turns, theirs.turns, ours.turns) else base
    return ours.model_copy(
        update={
            "version": theirs.version,
            "turns": _turns(base.turns, theirs.turns, ours.turns),
            "slots": _merged(effects.slots, theirs.slots, ours.slots),
            "phase": _merged(effects.phase, theirs.phase, ours.phase),
            "ended": theirs.ended or ours.ended,
            "status": theirs.status if theirs.ended else ours.status,
        }
    )


def _is_theirs_void(base: list[TurnRecord], theirs: list[TurnRecord], ours: list[TurnRecord]) -> bool:
    """Whether what changed there is nothing beside what we have. So it is when they ran no turns but those that we ran
    as well, whose effect must not count twice; and when they have lost some of what we went on from."""
    before, there, here = ({record.turn_id for record in turns} for turns in (base, theirs, ours))
    return not before <= there or (there > before and there <= here)


def _merged(base: Any, theirs: Any, ours: Any) -> Any:
    """Both sides' changes of one value; dictionaries key by key, lists that both only grew end to end."""
    if ours in (base, theirs):
        return theirs
    if theirs == base:
        return ours
    if isinstance(theirs, dict) and isinstance(ours, dict):
        before = base if isinstance(base, dict) else {}
        keys = [*theirs, *(key for key in ours if key not in theirs)]
        both = {
            key: _merged(before.get(key, _NOTHING), theirs.get(key, _NOTHING), ours.get(key, _NOTHING)) for key in keys
        }
        return {key: value for key, value in both.items() if value is not _NOTHING}
    if isinstance(theirs, list) and isinstance(ours, list):
        length = len(base) if isinstance(base, list) else 0
        if theirs[:length] == ours[:length]:
            return [*theirs, *ours[length:]]
    return ours


def _turns(base: list[TurnRecord], theirs: list[TurnRecord], ours: list[TurnRecord]) -> list[TurnRecord]:
    """All turns, in the order of their arrival where one side has what the other lacks."""
    before = {record.turn_id: record for record in base}
    there = {record.turn_id: record for record in theirs}
    here = {record.turn_id for record in ours}
    kept = [there.get(record.turn_id, record) if before.get(record.turn_id) == record else record for record in ours]
    missing = [record for record in theirs if record.turn_id not in here]
    return sorted([*missing, *kept], key=lambda record: record.received_at) if missing else kept
