"""Writes a call that ran in one process's memory back to the store that all processes share."""

from typing import Any, TypeVar

from orchestrator.conversation.silence import seconds_open
from orchestrator.conversation.state import Activity, ConversationState, Timer, TurnRecord
from orchestrator.conversation.timings import with_late
from orchestrator.errors import StateConflict
from orchestrator.state.base import StateManagerBase

Scheduled = TypeVar("Scheduled", Timer, Activity)
TRIES = 10
_MISSING: Any = object()


async def write_back(
    states: StateManagerBase, ours: ConversationState, base: ConversationState | None = None
) -> ConversationState:
    """Merge `ours` with the state in `states`, write the result there and return it.

    `base` is the last state that both sides had, None if the call began here. Repeating it is safe: turns that were
    written before are found there. Raise `StateConflict` if the state there keeps changing, `StoreUnconfirmed` if it is
    written but may still be lost.
    """
    call_sid = ours.call_sid
    base = base or ConversationState(call_sid=call_sid)
    for _ in range(TRIES):
        theirs = await states.get_confirmed_state(call_sid)
        if theirs is None:
            theirs = await states.create_state(
                call_sid, created_at=ours.created_at, channel=ours.channel, agent=ours.agent, tenant=ours.tenant
            )
        elif _is_written(base, ours, theirs):
            return theirs
        try:
            written = await states.update_state(three_way_merge(base, ours, theirs))
        except StateConflict:
            continue
        if open_for := seconds_open(written):
            await states.keep_alive([call_sid], open_for)
        return written
    raise StateConflict


def three_way_merge(base: ConversationState, ours: ConversationState, theirs: ConversationState) -> ConversationState:
    """Return the state that has what both sides changed since `base`, with the version of `theirs`.

    Where both changed the same, ours wins: it is what the caller heard.

    | field | merged |
    |---|---|
    | `turns` | all turns, in the order of their arrival; see `_merge_turns` |
    | `hidden_slots`, `hidden_words` | as `slots` |
    | `slots`, `phase`, `agent`, `worker_version` | value by value, see `_merge_values`; ours if theirs is superseded |
    | `timers`, `activities` | value by value; none of a call that has ended, and none that has brought its turn |
    | `ended` | theirs, if the call has ended there; else ours |
    | `status` | theirs, if the call has ended there; else ours |
    | `version` | theirs, which a write compares |
    | `created_at` | theirs: it says which life of its SID the call is, and what was told of it names that |
    | all others | ours |

    Theirs is superseded in two cases: all turns that ran there ran here as well, so their effect would count twice; or
    turns of `base` are missing there, so the store has lost writes.
    """
    effects = theirs if _is_superseded(base.turns, ours.turns, theirs.turns) else base
    turns = _merge_turns(base.turns, ours.turns, theirs.turns)
    ended = theirs.ended or ours.ended
    over = None if ended is not None else {record.turn_id for record in turns}
    return ours.model_copy(
        update={
            "version": theirs.version,
            "created_at": theirs.created_at,
            "turns": turns,
            "slots": _merge_values(effects.slots, ours.slots, theirs.slots),
            "hidden_slots": _merge_values(effects.hidden_slots, ours.hidden_slots, theirs.hidden_slots),
            "hidden_words": _merge_values(effects.hidden_words, ours.hidden_words, theirs.hidden_words),
            "phase": _merge_values(effects.phase, ours.phase, theirs.phase),
            "agent": _merge_values(effects.agent, ours.agent, theirs.agent),
            "worker_version": _merge_values(effects.worker_version, ours.worker_version, theirs.worker_version),
            "timers": _merge_scheduled(effects.timers, ours.timers, theirs.timers, over),
            "activities": _merge_scheduled(effects.activities, ours.activities, theirs.activities, over),
            "ended": ended,
            "status": theirs.status if theirs.ended else ours.status,
        }
    )


def _is_written(base: ConversationState, ours: ConversationState, theirs: ConversationState) -> bool:
    """True if all turns that ran here since `base` are in `theirs`: these runs of them, and no others."""
    before, there = ({record.turn_id: record.committed_at for record in state.turns} for state in (base, theirs))
    new = [record for record in ours.turns if before.get(record.turn_id) != record.committed_at]
    has_ended = theirs.ended is not None or ours.ended is None
    return bool(new) and has_ended and all(there.get(record.turn_id) == record.committed_at for record in new)


def _is_superseded(base: list[TurnRecord], ours: list[TurnRecord], theirs: list[TurnRecord]) -> bool:
    """True if theirs ran only turns that ours ran as well, or has lost turns of `base`."""
    before, here, there = ({record.turn_id for record in turns} for turns in (base, ours, theirs))
    return not before <= there or before < there <= here


def _merge_turns(base: list[TurnRecord], ours: list[TurnRecord], theirs: list[TurnRecord]) -> list[TurnRecord]:
    """Return all turns; those that theirs alone has are put in by the time of their arrival.

    | a turn | merged |
    |---|---|
    | that only one side has | that side's record |
    | that ours has not changed since `base` | the record of theirs, which may say what was heard of it |
    | that both sides changed | our record, with the late timings of both |
    | that both sides ran | our record |
    """
    before = {record.turn_id: record for record in base}
    there = {record.turn_id: record for record in theirs}
    here = {record.turn_id for record in ours}
    kept = [
        there.get(record.turn_id, record)
        if before.get(record.turn_id) == record
        else _with_timings_of(record, there.get(record.turn_id))
        for record in ours
    ]
    missing = [record for record in theirs if record.turn_id not in here]
    return sorted([*missing, *kept], key=lambda record: record.received_at) if missing else kept


def _with_timings_of(ours: TurnRecord, theirs: TurnRecord | None) -> TurnRecord:
    if theirs is None or theirs.committed_at != ours.committed_at:  # another run
        return ours
    timings = with_late(ours.timings, theirs.timings)
    return ours if timings == ours.timings else ours.model_copy(update={"timings": timings})


def _merge_scheduled(
    base: dict[str, Scheduled], ours: dict[str, Scheduled], theirs: dict[str, Scheduled], over: set[str] | None
) -> dict[str, Scheduled]:
    """Return both sides' changes, without those whose turn is one of `over`; None: all are over."""
    if over is None or not (ours or theirs):
        return {}
    merged: dict[str, Scheduled] = _merge_values(base, ours, theirs)
    return {name: it for name, it in merged.items() if it.turn_id not in over}


def _merge_values(base: Any, ours: Any, theirs: Any) -> Any:
    """Return both sides' changes of one value.

    | ours | theirs | merged |
    |---|---|---|
    | as in `base`, or as in theirs | any | theirs |
    | changed | as in `base` | ours |
    | a dictionary | a dictionary | key by key; `_MISSING` stands for a key that is not there |
    | a list | a list that begins as ours, as far as `base` went | theirs, then what ours has after that |
    | changed | changed | ours |
    """
    if ours in (base, theirs):
        return theirs
    if theirs == base:
        return ours
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return _merge_keys(base if isinstance(base, dict) else {}, ours, theirs)
    if isinstance(ours, list) and isinstance(theirs, list):
        length = len(base) if isinstance(base, list) else 0
        if theirs[:length] == ours[:length]:
            return [*theirs, *ours[length:]]
    return ours


def _merge_keys(base: dict[Any, Any], ours: dict[Any, Any], theirs: dict[Any, Any]) -> dict[Any, Any]:
    keys = [*theirs, *(key for key in ours if key not in theirs)]
    merged = {key: _merge_values(*(side.get(key, _MISSING) for side in (base, ours, theirs))) for key in keys}
    return {key: value for key, value in merged.items() if value is not _MISSING}
