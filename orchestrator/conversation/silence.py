"""How long a live call may send nothing: while a reply is spoken or played, and while the caller answers.

With webhooks, the provider sends nothing between a reply and the caller's answer to it. The length of an audio file and
of a conversation with a person is not known. But a provider ends every call at some time.
"""

from datetime import datetime, timedelta

from orchestrator.conversation.absence import left_by
from orchestrator.conversation.actions import Gather, Play, Record, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.schedule_actions import LONGEST_TIMER_SECONDS
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import UNPROMPTED_KINDS

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

LONGEST_ACTIVITY = timedelta(hours=1)
"""After this time a call waits no longer for what an activity brings."""
RUNNING_SECONDS = 90.0
"""How long a turn may wait and run, if need be with several workers one after the other."""
_USUAL_WAIT = Gather().timeout_seconds


def last_sign(state: ConversationState) -> datetime:
    """Return when the caller, their provider or a client was last heard of."""
    heard = (record.committed_at for record in reversed(state.turns) if record.kind not in UNPROMPTED_KINDS)
    return next(heard, state.created_at)


def seconds_quiet(state: ConversationState) -> float:
    """Return for how long, before the last turn, nobody was heard of; 0 unless that turn came by itself."""
    return (state.turns[-1].committed_at - last_sign(state)).total_seconds() if _came_by_itself(state) else 0.0


def _came_by_itself(state: ConversationState) -> bool:
    return bool(state.turns) and state.turns[-1].kind in UNPROMPTED_KINDS


def seconds_silent(state: ConversationState) -> float:
    """Return how long this live call may send nothing after its last sign of life, in seconds.

    Without a telephone: until its timers are due and its activities have ended.
    """
    if not state.is_active:
        return 0.0
    if state.channel == "api":
        return _seconds_scheduled(state)
    if not state.turns and state.direction.startswith("outbound"):
        return RINGING_SECONDS + LISTENING_SECONDS
    longest = 0.0
    for record in reversed(state.turns):  # those that have come by themselves since the caller was heard of, and that
        longest = max(longest, _seconds_answered(record))
        if record.kind not in UNPROMPTED_KINDS:
            break
    if (left := left_by(state)) is not None:
        longest = max(longest, _seconds_answered(left))
    return longest + LISTENING_SECONDS


def _seconds_scheduled(state: ConversationState) -> float:
    """Return how long after its last sign of life all timers and activities of the call have brought their turns."""
    if not (state.timers or state.activities):
        return 0.0
    ends = [timer.due_at for timer in state.timers.values()]
    ends += [activity.started_at + LONGEST_ACTIVITY for activity in state.activities.values()]
    seconds = (max(ends) - last_sign(state)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_TIMER_SECONDS) + RUNNING_SECONDS


def seconds_open(state: ConversationState) -> float:
    """Return how long the state of this live call must be kept at least after its last turn, in seconds, whatever its
    TTL is."""
    if not state.is_active:
        return 0.0
    quiet, heard_within = seconds_quiet(state), seconds_silent(state)
    silent = max(heard_within, _seconds_scheduled(state))
    least = LAST_CHANCE_SECONDS if heard_within >= LONGEST_CALL_SECONDS or quiet else SPARE_SECONDS
    return max(silent - quiet, 0.0) + least if silent else 0.0


def is_occupied(state: ConversationState) -> bool:
    """True if the caller may be occupied for hours: with audio of unknown length, or with a person."""
    return seconds_silent(state) >= LONGEST_CALL_SECONDS


def _seconds_answered(record: TurnRecord) -> float:
    """Return the seconds that the longest of the replies takes that the caller hears with this turn."""
    longest = _seconds_taken(record.reply)
    for reply in record.preceding:
        longest = max(longest, _seconds_taken(reply))
    return longest


def _seconds_taken(reply: Reply) -> float:
    """Return the seconds that a reply and the wait for the caller's first word take."""
    if not reply.actions:
        return len(reply.text) / CHARACTERS_PER_SECOND + _USUAL_WAIT
    if any(isinstance(action, Play | Transfer) for action in reply.actions):
        return LONGEST_CALL_SECONDS
    recorded = max((action.max_seconds for action in reply.actions if isinstance(action, Record)), default=0)
    waits = [action.timeout_seconds for action in reply.actions if isinstance(action, Gather)]
    return recorded + len(reply.text) / CHARACTERS_PER_SECOND + (waits[-1] if waits else _USUAL_WAIT)
