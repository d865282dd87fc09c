"""How long a live call may be silent to us: while a reply is spoken or played, and while the caller answers.

Over webhooks nothing is heard of a call between a reply and what the caller says to it. Nobody tells how long an audio
file is, or how people get on who were connected; but a provider ends every call at last.
"""

from orchestrator.conversation.actions import Gather, Play, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState

CHARACTERS_PER_SECOND = 10.0
"""Of a slow voice."""
RINGING_SECONDS = 600.0
"""How long a call that was placed may ring, at most."""
LISTENING_SECONDS = 45.0
"""How long a caller speaks at a time, and their words are on the way."""
LONGEST_CALL_SECONDS = 4 * 3600.0
"""Providers end a call after so long, unless told otherwise (Twilio's default for a call, and for a `<Dial>`)."""
LAST_CHANCE_SECONDS = 180.0
"""So long before its state expires, the end of a call is written whose caller was busy for hours."""
SPARE_SECONDS = 60.0
"""So much longer than its caller may be silent any other call is kept: its end is written in that time."""

RUNNING_SECONDS = 90.0
"""How long a turn may wait and run, under a few workers one after the other if need be."""


def seconds_silent(state: ConversationState) -> float:
    """For how many seconds, at most, nothing is heard of this live call since its last turn; 0 without a telephone."""
    if state.channel == "api" or not state.is_active:
        return 0.0
    if not state.turns and state.direction.startswith("outbound"):
        return RINGING_SECONDS + LISTENING_SECONDS
    replies = [record.reply for record in state.turns[-1:]]
    return max((_seconds_taken(reply) for reply in replies), default=0.0) + LISTENING_SECONDS


def seconds_open(state: ConversationState) -> float:
    """How long the state of this live call is to be kept at least, whatever its time to live."""
    silent = seconds_silent(state)
    spare = LAST_CHANCE_SECONDS if is_occupied(state) else SPARE_SECONDS
    return silent + spare if silent else 0.0


def is_occupied(state: ConversationState) -> bool:
    """Whether the caller may be busy for long: something plays whose length nobody knows, or they talk to a person."""
    return seconds_silent(state) >= LONGEST_CALL_SECONDS


def _seconds_taken(reply: Reply) -> float:
    """What a reply takes until its caller may answer, and to wait for their first word."""
    if any(isinstance(action, Play | Transfer) for action in reply.actions):
        return LONGEST_CALL_SECONDS
    waits = [action.timeout_seconds for action in reply.actions if isinstance(action, Gather)]
    return len(reply.text) / CHARACTERS_PER_SECOND + (waits[-1] if waits else Gather().timeout_seconds)
