"""Text messages: a booking is confirmed to the number that the caller calls from, if that is one."""

import re

from orchestrator.agents.receptionist import phrases
from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.conversation.actions import SendMessage

MOST_TEXTS = 6
"""Messages in one call: a caller may change their mind, but not for ever."""
_E164 = re.compile(r"\+[1-9][0-9]{4,14}")
_WITHHELD = "+266696687"
"""Stands for a withheld number ("anonymous", in keys)."""


def confirm_by_text(dialogue: Dialogue) -> bool:
    """Send the booking to the caller, once for each appointment. Return True if they get it by this turn."""
    form = dialogue.form
    if not form.is_booked or form.appointment is None or form.confirmed == form.appointment:
        return False
    if not _send(dialogue, phrases.text_of(form.appointment)):
        return False
    form.confirmed = form.appointment
    return True


def cancel_by_text(dialogue: Dialogue) -> None:
    """Send that the appointment is cancelled, if it had been confirmed."""
    if dialogue.form.confirmed is not None:
        _send(dialogue, phrases.TEXT_OF_CANCELLATION)
        dialogue.form.confirmed = None


def _send(dialogue: Dialogue, text: str) -> bool:
    to, form = dialogue.from_number, dialogue.form
    if not dialogue.can_text or form.texts >= MOST_TEXTS or to == _WITHHELD or not _E164.fullmatch(to):
        return False
    form.texts += 1
    dialogue.schedule.append(SendMessage(to, text))
    return True
