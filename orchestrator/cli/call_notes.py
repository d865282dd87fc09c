"""What happens in a call besides talk, as a note for a person."""

from orchestrator.provider_simulator.events import (
    ColleagueHeard,
    ColleaguePressed,
    Connected,
    Dialled,
    Event,
    Played,
    Recorded,
    Recording,
    Ringing,
)
from orchestrator.provider_simulator.rest_api import SentMessage


def note_of(event: Event) -> str | None:
    """Return the note that tells of this event; None if it is none that is told so."""
    match event:
        case Played(url, digits):
            return f"(keys: {digits})" if digits else f"(audio: {url})"
        case Ringing(to):
            return f"(ringing {to} …)"
        case ColleagueHeard(to, text):
            return f"({to} hears: {text})"
        case ColleaguePressed(to, keys):
            return f"({to} presses {keys})"
        case Connected(to):
            return f"(you are connected with {to})"
        case Dialled(to, is_declined=True):
            return f"({to} has declined)"
        case Dialled(to, "completed"):
            return f"({to} has hung up)"
        case Dialled(to, status):
            return f"({to}: {status})"
        case Recording(keys, beeps):
            return f"({'beep: ' if beeps else ''}what you say now is recorded{_end_of(keys)})"
        case Recorded(seconds=seconds):
            return f"(recorded: {seconds} s)"
    return None


def note_of_message(message: SentMessage) -> str:
    """Return the note that tells of a text message."""
    return f"[text message to {message.to}: {message.body}]"


def _end_of(keys: str) -> str:
    return f"; #{'' if '#' in keys else keys[0]} ends it" if keys else ""
