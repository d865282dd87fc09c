"""How long a live call may send nothing: while a reply is spoken or played, and while the caller answers.

With webhooks, the provider sends nothing between a reply and the caller's answer to it. The length of an audio file and
of a conversation with a person is not known. But a provider ends every call at some time.
"""

from orchestrator.conversation.absence import left_by
from orchestrator.conversation.actions import Gather, Play, Record, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState

CHARACTERS_PER_SECOND = 10.0
"""The pace of a slow voice."""
RINGING_SECONDS = 600.0
"""The longest time that a placed call may ring."""
LISTENING_SECONDS = 45.0
"""The longest time that a caller speaks at once, and their words take to arrive."""
LONGEST_CALL_SECONDS = 4 * 3600.0
"""Providers end a call after this time by default (Twilio: a call, and a `<Dial>`)."""
LAST_CHANCE_SECONDS = 180.0
"""How long before its state expires the end of a call is written whose caller was occupied for hours."""
SPARE_SECONDS = 60.0
"""How much longer than the caller may be silent any other call is kept, so that its end can be written."""

RUNNING_SECONDS = 90.0
"""How long a turn may wait and run, if need be with several workers one after the other."""


def seconds_silent(state: ConversationState) -> float:
    """Return how long this live call may send nothing after its last turn, in seconds; 0 without a telephone."""
    if state.channel == "api" or not state.is_active:
        return 0.0
    if not state.turns and state.direction.startswith("outbound"):
        return RINGING_SECONDS + LISTENING_SECONDS
    latest = [*state.turns[-1:], *filter(None, [left_by(state)])]
    replies = [reply for record in latest for reply in (*record.preceding, record.reply)]
    return max((_seconds_taken(reply) for reply in replies), default=0.0) + LISTENING_SECONDS


def seconds_open(state: ConversationState) -> float:
    """Return how long the state of this live call must be kept at least, in seconds, whatever its TTL is."""
    silent = seconds_silent(state)
    spare = LAST_CHANCE_SECONDS if is_occupied(state) else SPARE_SECONDS
    return silent + spare if silent else 0.0


def is_occupied(state: ConversationState) -> bool:
    """True if the caller may be occupied for hours: with audio of unknown length, or with a person."""
    return seconds_silent(state) >= LONGEST_CALL_SECONDS


def _seconds_taken(reply: Reply) -> float:
    """Return the seconds that a reply and the wait for the caller's first word take."""
    if any(isinstance(action, Play | Transfer) for action in reply.actions):
        return LONGEST_CALL_SECONDS
    recorded = max((action.max_seconds for action in reply.actions if isinstance(action, Record)), default=0)
    waits = [action.timeout_seconds for action in reply.actions if isinstance(action, Gather)]
    return recorded + len(reply.text) / CHARACTERS_PER_SECOND + (waits[-1] if waits else Gather().timeout_seconds)
