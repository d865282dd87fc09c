"""What a turn began with, and what its reply did, as notes for a person."""

from orchestrator.conversation.actions import (
    Action,
    CancelActivity,
    CancelTimer,
    HandOff,
    HangUp,
    Play,
    Record,
    SendDigits,
    SendMessage,
    SetTimer,
    SetVoice,
    StartActivity,
    Transfer,
)
from orchestrator.conversation.state import TurnRecord


def beginning_note(record: TurnRecord) -> str:
    """Return what began a turn that no words or keys of the caller began; "" if it needs no note."""
    data = record.data
    match record.kind:
        case "interrupted":
            return "(interrupted)"
        case "signal":
            return f"(signal: {record.text})"
        case "timer":
            return f"(timer: {record.text})"
        case "activity":
            return f"({record.text} has failed: {data['error']})" if "error" in data else f"({record.text} is done)"
        case "transferred":
            talked = f", {data['seconds']} s" if data.get("seconds") else ""
            return f"(back from {data.get('to', '?')}: {record.text}{talked})"
        case "recorded":
            return f"(message of {data['seconds']} s: {data['url']})" if data.get("url") else "(nothing recorded)"
    return ""


def action_note(action: Action) -> str:
    """Return what an action did; "" if it needs no note."""
    match action:
        case Transfer():
            return f"(rings {', '.join(action.targets)})"
        case Record():
            return "(records a message)"
        case HandOff(agent=agent):
            return f"(handed to {agent})"
        case SetVoice(voice=voice):
            return f"(voice: {voice})"
        case Play(url=url):
            return f"(audio: {url})"
        case SendDigits(digits=digits):
            return f"(keys: {digits})"
        case HangUp():
            return "(hung up)"
    return _later_note(action)


def _later_note(action: Action) -> str:
    match action:
        case SetTimer(name=name, seconds=seconds):
            return f"(timer {name} in {seconds:g} s)"
        case CancelTimer(name=name):
            return f"(no timer {name} any more)"
        case StartActivity(name=name):
            return f"(starts {name})"
        case CancelActivity(name=name):
            return f"(cancels {name})"
        case SendMessage(to=to, text=text):
            return f"[text message to {to}: {text}]"
    return ""
