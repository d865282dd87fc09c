"""What turns mean that no words of the caller began: the calendar has answered, a colleague did not, time is up."""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.agents.receptionist import phrases
from orchestrator.agents.receptionist.calendar_look_up import after_look_up
from orchestrator.agents.receptionist.dialogue import CALENDAR, GATHERS, Dialogue
from orchestrator.agents.receptionist.silences import SILENCE
from orchestrator.conversation.turn import Turn

MOST_MINUTES = 600
MOST_RECORDINGS = 10


def answer_own_turn(dialogue: Dialogue, turn: Turn) -> None:
    """Answer it; with nothing, if it is none that the receptionist knows."""
    if turn.kind == "transferred":
        _come_back(dialogue, turn.text)
    elif turn.kind == "recorded":
        _take_recording(dialogue, turn.data)
    elif dialogue.phase not in GATHERS:
        return  # the call has not begun, or is over
    elif turn.kind == "activity" and turn.text == CALENDAR:
        after_look_up(dialogue, turn.data)
    elif turn.kind == "timer" and turn.text == SILENCE:
        dialogue.after_silence()
    elif turn.kind == "signal" and turn.text in _SIGNALS:
        _SIGNALS[turn.text](dialogue, turn.data)


def _come_back(dialogue: Dialogue, status: str) -> None:
    """Go on with a caller who was connected with a person, or whom nobody answered."""
    dialogue.form.is_away = False
    if status in ("completed", "answered"):
        dialogue.ask("more", phrases.HERE_AGAIN, phrases.ANYTHING_ELSE)
    else:
        dialogue.record(phrases.NOBODY_ANSWERS)


def _take_recording(dialogue: Dialogue, data: Mapping[str, Any]) -> None:
    """Keep the message that was recorded. Ask once more for an empty one, then take it down."""
    form, url = dialogue.form, data.get("url")
    form.is_away = False
    if isinstance(url, str) and url:
        form.unrecorded = 0
        form.recordings = [*form.recordings, url][-MOST_RECORDINGS:]
        dialogue.ask("more", phrases.PASSED_ON, phrases.ANYTHING_ELSE)
    elif not form.unrecorded:
        form.unrecorded += 1
        dialogue.record(phrases.NOT_RECORDED)
    else:
        form.unrecorded = 0
        dialogue.take_message(phrases.NOT_RECORDED)


def _tell_doctor_late(dialogue: Dialogue, data: Mapping[str, Any]) -> None:
    minutes = data.get("minutes")
    is_known = isinstance(minutes, int | float) and 1 <= minutes <= MOST_MINUTES
    dialogue.say(phrases.doctor_late(round(minutes) if is_known else 0))  # type: ignore[arg-type]
    if not dialogue.form.is_away:
        dialogue.listen()


_SIGNALS: dict[str, Callable[[Dialogue, Mapping[str, Any]], None]] = {"doctor_late": _tell_doctor_late}
"""The signals that it knows."""
