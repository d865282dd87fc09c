"""The types of events that happen in calls."""

from typing import Literal, get_args

EventType = Literal[
    "call.started",
    "call.ended",
    "turn.completed",
    "call.transferred",
    "turn.failed",
    "message.sent",
    "activity.failed",
    "call.erased",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
