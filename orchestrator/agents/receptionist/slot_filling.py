"""Fills the form with what callers say of themselves, and corrects it."""

from dataclasses import dataclass

from orchestrator.agents.receptionist import intents, phrases
from orchestrator.agents.receptionist.booking_form import FieldName
from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.agents.receptionist.digits import MAX_DIGITS
from orchestrator.agents.receptionist.mentions import Mention
from orchestrator.agents.receptionist.names import name_in
from orchestrator.agents.receptionist.wishes import mentions_in, wish_in, wish_of


@dataclass(frozen=True)
class CallerInput:
    """What the caller said in one turn: `text` without words of anger, `said` as plain text, and `keys` if they pressed
    any.
    """

    text: str
    keys: str = ""
    is_angry: bool = False  # there were words of anger

    @property
    def said(self) -> str:
        """The words as plain text; "" for keys."""
        return "" if self.keys else intents.plain(self.text)


def fill_slots(dialogue: Dialogue, caller: CallerInput) -> bool:
    """Fill in everything that the caller said of themselves. Return True if there was anything."""
    form, filled = dialogue.form, False
    found: dict[FieldName, str | None] = {
        "name": name_in(caller.text, is_expected=False),
        "number": intents.number_in(caller.text),
        "reason": _reason_in(dialogue, caller) if form.reason is None else None,
    }
    for which, answer in found.items():
        if answer is not None:
            form.keep(which, answer[:MAX_DIGITS] if which == "number" else answer)
            dialogue.say(phrases.noted(which, form))
            filled = True
    return filled


MOST_WORDS_OF_A_TIME = 5


def _reason_in(dialogue: Dialogue, caller: CallerInput) -> str | None:
    """Return the reason, unless it is only a time: "an appointment for Tuesday" gives none."""
    reason = intents.reason_in(caller.text, is_expected=False)
    is_time = reason is not None and bool(wish_in(reason, dialogue.now.date()))
    return None if reason is None or (is_time and len(reason.split()) <= MOST_WORDS_OF_A_TIME) else reason


def mentioned(dialogue: Dialogue, caller: CallerInput) -> list[Mention]:
    """Return the days, times and offers that the caller named in answer to a question for a time; none for keys."""
    form = dialogue.form
    near = form.appointment or (form.offered[-1] if form.offered else None)
    today = dialogue.now.date()
    return [] if caller.keys else mentions_in(caller.text, today, near and near.date(), is_expected=True)


def note_wish(dialogue: Dialogue, caller: CallerInput) -> bool:
    """Note when the caller would like to come. Return True if they said when, and it helps."""
    wish = None if caller.keys else wish_in(caller.text, dialogue.now.date())
    return bool(wish and (dialogue.note_wish(wish) or wish.avoided_days))


def change(dialogue: Dialogue, caller: CallerInput) -> None:
    """Correct the answer that the caller named, or ask which one to change."""
    named = intents.field_in(caller.said)
    which = named or (None if dialogue.phase == "confirm" else dialogue.form.last_field)
    if which is None:
        dialogue.ask("change", phrases.WHICH_CHANGE)
    else:
        correct(dialogue, which, caller)


def correct(dialogue: Dialogue, which: FieldName, caller: CallerInput) -> None:
    """Drop the answer `which`, fill in the right one if they said it too, and ask the next question."""
    if which == "appointment":
        dialogue.form.wants_message = False
    wish = wish_of(mentioned(dialogue, caller))
    dialogue.form.forget(which)
    if which == "appointment" and wish:
        dialogue.offer_wished(wish)
    elif fill_slots(dialogue, caller):
        dialogue.ask_next()
    else:
        dialogue.ask_next(phrases.NO_PROBLEM)
