"""VoiceAgent's domain: calls, turns, agents, state, dispatch.

What agents and applications need most can be imported from here; each name is loaded when it is first used, so that
importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.agents.call_context import CallContext, current_call
    from orchestrator.conversation.actions import (
        CancelActivity,
        CancelTimer,
        Gather,
        HandOff,
        HangUp,
        Play,
        Record,
        SendDigits,
        SendMessage,
        SetLanguage,
        SetSpeech,
        SetTimer,
        SetVoice,
        StartActivity,
        Transfer,
    )
    from orchestrator.conversation.state import ConversationState, TurnRecord
    from orchestrator.conversation.turn import Turn
    from orchestrator.events.event import Event
    from orchestrator.events.sinks.sink import EventRefused, Sink, SinkGone, TryLater
    from orchestrator.routes.hook import IncomingCall
    from orchestrator.state.base import StateManagerBase
    from orchestrator.state.factory import StateManagerFactory, get_state_manager
    from orchestrator.state.memory import InMemoryStateManager
    from orchestrator.state.redis import RedisStateManager

_HOMES = {
    "CallContext": "agents.call_context",
    "current_call": "agents.call_context",
    "CancelActivity": "conversation.actions",
    "CancelTimer": "conversation.actions",
    "Gather": "conversation.actions",
    "HandOff": "conversation.actions",
    "HangUp": "conversation.actions",
    "Play": "conversation.actions",
    "Record": "conversation.actions",
    "SendDigits": "conversation.actions",
    "SendMessage": "conversation.actions",
    "SetLanguage": "conversation.actions",
    "SetSpeech": "conversation.actions",
    "SetTimer": "conversation.actions",
    "SetVoice": "conversation.actions",
    "StartActivity": "conversation.actions",
    "Transfer": "conversation.actions",
    "ConversationState": "conversation.state",
    "TurnRecord": "conversation.state",
    "Turn": "conversation.turn",
    "IncomingCall": "routes.hook",
    "Event": "events.event",
    "EventRefused": "events.sinks.sink",
    "Sink": "events.sinks.sink",
    "SinkGone": "events.sinks.sink",
    "TryLater": "events.sinks.sink",
    "StateManagerBase": "state.base",
    "StateManagerFactory": "state.factory",
    "get_state_manager": "state.factory",
    "InMemoryStateManager": "state.memory",
    "RedisStateManager": "state.redis",
}

__all__ = [  # noqa: RUF022 (by what they are for)
    "Turn", "ConversationState", "TurnRecord",
    "HangUp", "Transfer", "Play", "SendDigits", "Gather", "SetLanguage", "SetSpeech", "SetVoice", "HandOff",
    "Record", "SetTimer", "CancelTimer", "StartActivity", "CancelActivity", "SendMessage",
    "IncomingCall", "CallContext", "current_call",
    "Event", "Sink", "EventRefused", "SinkGone", "TryLater",
    "StateManagerBase", "InMemoryStateManager", "RedisStateManager", "StateManagerFactory", "get_state_manager",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
    return getattr(import_module(f"orchestrator.{_HOMES[name]}"), name)
