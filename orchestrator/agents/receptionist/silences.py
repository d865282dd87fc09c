"""Closes a call whose caller says nothing: by a timer where the channel does not tell of silence.

A relay does not. Over webhooks it does, but a caller who has asked for time is not to be asked every few seconds.
"""

from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.conversation.actions import LEAVING_ACTIONS, CancelTimer, SetTimer
from orchestrator.conversation.turn import Turn

SILENCE = "silence"
"""The name of the timer."""
SILENT_SECONDS = 30.0
TIME_GIVEN_SECONDS = 45.0
"""For so long a caller may be silent on a relay; and after they have asked for time."""
CHARACTERS_PER_SECOND = 12.0
"""The pace of a slow voice: the timer begins when the reply is ready, the silence when it has been spoken."""


def watch_silence(dialogue: Dialogue, turn: Turn) -> None:
    """Set the timer anew, or take it back if it is not needed any more."""
    if (turn.is_own and not dialogue.parts) or (turn.kind == "silence" and is_given_time(dialogue)):
        return
    leaves = dialogue.form.is_away or any(isinstance(part, LEAVING_ACTIONS) for part in dialogue.parts)
    if not leaves and (dialogue.is_thinking or dialogue.channel == "relay"):
        spoken = sum(len(part) for part in dialogue.parts if isinstance(part, str)) / CHARACTERS_PER_SECOND
        seconds = TIME_GIVEN_SECONDS if dialogue.is_thinking else SILENT_SECONDS
        dialogue.schedule.append(SetTimer(SILENCE, round(seconds + spoken)))
    elif SILENCE in dialogue.running:
        dialogue.schedule.append(CancelTimer(SILENCE))


def is_given_time(dialogue: Dialogue) -> bool:
    """True if the caller has asked for time, over webhooks, and it is not over."""
    return dialogue.channel == "gather" and SILENCE in dialogue.running
