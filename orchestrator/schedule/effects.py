"""What a turn changes in the schedule of its call: pure functions from the turn's record."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from orchestrator.conversation.actions import (
    CancelActivity,
    CancelTimer,
    ScheduleAction,
    SendMessage,
    SetTimer,
    StartActivity,
    schedule_actions,
)
from orchestrator.conversation.state import Activity, ConversationState, Timer, TurnRecord
from orchestrator.conversation.turn import OWN_PREFIX
from orchestrator.schedule.item import ActivityItem, MessageItem, ScheduledItem, TimerItem


@dataclass(frozen=True, slots=True)
class ScheduleChanges:
    """What a commit changes: items that it adds, and the ids of those that are not to be carried out any more."""

    added: tuple[ScheduledItem, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


NO_CHANGES = ScheduleChanges()


def with_schedule(state: ConversationState, record: TurnRecord) -> ConversationState:
    """Return `state`, which holds `record`, with the timers and activities that are left and new after it.

    What brought the turn is settled by it. A call that has ended has none.
    """
    if state.ended is not None:
        return _with(state, {}, {})
    asked = schedule_actions(record.reply.actions)
    is_settling = record.turn_id.startswith(OWN_PREFIX)
    if not (asked or is_settling):
        return state
    timers = {name: timer for name, timer in state.timers.items() if timer.turn_id != record.turn_id}
    activities = {name: it for name, it in state.activities.items() if it.turn_id != record.turn_id}
    for place, action in enumerate(asked):
        turn_id = OWN_PREFIX + _item_id(state, record, place, action)
        match action:
            case SetTimer(name=name):
                due_at = record.committed_at + timedelta(seconds=action.seconds)
                timers[name] = Timer(turn_id=turn_id, due_at=due_at, data=action.data, sealed_words=action.sealed_words)
            case CancelTimer(name=name):
                timers.pop(name, None)
            case StartActivity(name=name):
                activities[name] = Activity(turn_id=turn_id, function=action.function, started_at=record.committed_at)
            case CancelActivity(name=name):
                activities.pop(name, None)
    return _with(state, timers, activities)


def changes_of(
    before: ConversationState | None, after: ConversationState | None, record: TurnRecord
) -> ScheduleChanges:
    """Return what the commit of `after`, which holds `record`, changes in the schedule. `before` is the state that it
    replaces; None if that is not known: then nothing is known to be removed."""
    if after is None:
        return NO_CHANGES
    asked = schedule_actions(record.reply.actions)
    had = set() if before is None else _turn_ids(before)
    if not (asked or had):
        return NO_CHANGES
    has = _turn_ids(after)
    items = [_item(after, record, place, action) for place, action in enumerate(asked)]
    added = [item for item in items if item is not None and (item.turn_id in has or isinstance(item, MessageItem))]
    return ScheduleChanges(tuple(added), tuple(sorted(turn_id.removeprefix(OWN_PREFIX) for turn_id in had - has)))


def _turn_ids(state: ConversationState) -> set[str]:
    return {timer.turn_id for timer in state.timers.values()} | {it.turn_id for it in state.activities.values()}


def _with(state: ConversationState, timers: dict[str, Timer], activities: dict[str, Activity]) -> ConversationState:
    if timers == state.timers and activities == state.activities:
        return state
    return state.model_copy(update={"timers": timers, "activities": activities})


def _item(state: ConversationState, record: TurnRecord, place: int, action: ScheduleAction) -> ScheduledItem | None:
    about = {
        "item_id": _item_id(state, record, place, action), "call_sid": state.call_sid,
        "life": state.created_at.isoformat(), "asked_by": record.turn_id, "sealed_words": action.sealed_words,
    }  # fmt: skip
    whose = {"agent": state.agent, "tenant": state.tenant, "worker_version": state.worker_version}
    now = record.committed_at
    match action:
        case SetTimer():
            due_at = now + timedelta(seconds=action.seconds)
            return TimerItem(**about, due_at=due_at, name=action.name, data=action.data)
        case StartActivity():
            fields = action.model_dump(include={"name", "function", "args", "timeout_seconds", "retries"})
            return ActivityItem(**about, due_at=now, **fields, **whose)
        case SendMessage():
            whose = {"agent": state.agent, "tenant": state.tenant, "worker_version": state.worker_version}
            in_order = now + timedelta(microseconds=place)
            return MessageItem(**about, due_at=in_order, to=action.to, text=action.text, **whose)
    return None


def _item_id(state: ConversationState, record: TurnRecord, place: int, action: ScheduleAction) -> str:
    kind = {SetTimer: "timer", StartActivity: "activity", SendMessage: "message"}.get(type(action), "cancel")
    asked = f"{state.created_at.isoformat()}/{record.turn_id}/{place}"
    return f"{kind}-{sha256(asked.encode()).hexdigest()[:24]}"
