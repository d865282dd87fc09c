"""The record of a call that is over: the data of its `call.ended`. And a turn, as events tell it."""

from typing import Any

from pydantic_core import from_json, to_json

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.events.outbox import CallHead

EXPIRED = "expired"
"""The status of a call whose state is gone: it was deleted, or nobody had written its end when it expired."""
DEEPEST = 5
"""How far into a value that JSON cannot say is looked for what it can."""
GONE_REASON = "the state of the call was deleted or has expired"


def life_of(state: ConversationState) -> str:
    """Return which life of its SID the call is: when its state was created, as its JSON says it."""
    return state.created_at.isoformat().replace("+00:00", "Z")


def record_of_call(state: ConversationState) -> dict[str, Any]:
    """Return the record of a call that has ended, without the call's SID and whose it was."""
    end = state.ended
    seconds = (end.at - state.created_at).total_seconds() if end is not None else None
    return {
        "channel": state.channel,
        "direction": state.direction,
        "from_number": _text(state.from_number),
        "to_number": _text(state.to_number),
        "started_at": life_of(state),
        "ended_at": None if end is None else end.at.isoformat().replace("+00:00", "Z"),
        "duration_seconds": None if seconds is None else round(max(seconds, 0.0), 3),
        "status": state.status if end is None else end.status,
        "reason": "" if end is None else _text(end.reason),
        "phase": _text(state.phase),
        "slots": _jsonable_items(state.slots),
        "turns": told_turns(state.turns),
    }


def partial_record(head: CallHead) -> dict[str, Any]:
    """Return what is known of a call whose state is gone: how it began."""
    return {
        "channel": head.channel,
        "direction": head.direction,
        "from_number": head.from_number,
        "to_number": head.to_number,
        "started_at": head.life,
        "ended_at": None,
        "duration_seconds": None,
        "status": EXPIRED,
        "reason": GONE_REASON,
        "phase": "",
        "slots": {},
        "turns": [],
        "partial": True,
    }


def told_turn(record: TurnRecord) -> dict[str, Any]:
    """Return a turn as events tell it: all of its record, and in `heard` what the caller heard of the reply."""
    try:
        return _told(from_json(to_json(record, inf_nan_mode="null", serialize_unknown=True)))
    except (ValueError, RecursionError):  # an agent in this process may have left anything in it
        return _told(_jsonable_items(record.model_dump(warnings=False)))


def told_turns(records: list[TurnRecord]) -> list[dict[str, Any]]:
    """Return the turns as events tell them: all at once, since a call may have a thousand."""
    try:
        return [_told(told) for told in from_json(to_json(records, inf_nan_mode="null", serialize_unknown=True))]
    except (ValueError, RecursionError):
        return [told_turn(record) for record in records]


def _told(record: dict[str, Any]) -> dict[str, Any]:
    record.pop("epoch", None)
    for reply in (record["reply"], *record.get("preceding", ())):  # encrypted, and for those who speak it alone
        for part in (reply, *reply["actions"]):
            part.pop("sealed_words", None)
    if record["heard"] is None:
        record["heard"] = record["reply"]["text"]
    return record


def _jsonable_items(values: dict[str, Any]) -> dict[str, Any]:
    return {_text(str(name)): _jsonable(value) for name, value in values.items()}


def _jsonable(value: object, depth: int = 0) -> Any:
    """Return `value` as JSON can say it. What it cannot say at all is replaced by the name of its type."""
    try:
        return from_json(to_json(value, inf_nan_mode="null", serialize_unknown=True))
    except (ValueError, RecursionError):
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, dict) and depth < DEEPEST:
            return {_text(str(name)): _jsonable(it, depth + 1) for name, it in value.items()}
        if isinstance(value, list) and depth < DEEPEST:
            return [_jsonable(it, depth + 1) for it in value]
        return f"<{type(value).__name__}>"


def _text(value: str) -> str:
    """Return the text without halves of surrogate pairs, which no UTF-8 has."""
    return value.encode(errors="replace").decode()
