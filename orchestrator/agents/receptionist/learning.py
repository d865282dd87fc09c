"""What callers say of themselves and of what they said before: taken down, and corrected."""

from dataclasses import dataclass

from orchestrator.agents.receptionist import calendar, phrases
from orchestrator.agents.receptionist import understanding as understood
from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.agents.receptionist.digits import MAX_DIGITS
from orchestrator.agents.receptionist.notes import FieldName
from orchestrator.agents.receptionist.times import wish_in


@dataclass(frozen=True)
class Heard:
    """What the caller said: as it came, made plain for the patterns, and the keys if it was keyed."""

    text: str
    keys: str = ""

    @property
    def said(self) -> str:
        """The words, plain; none for keys."""
        return "" if self.keys else understood.plain(self.text)


def learn(dialogue: Dialogue, heard: Heard) -> bool:
    """Note all that the caller says of themselves in one breath; whether there was anything."""
    notes, learned = dialogue.notes, False
    found: dict[FieldName, str | None] = {
        "name": understood.name_in(heard.text, is_expected=False),
        "number": understood.number_in(heard.text),
        "reason": understood.reason_in(heard.text, is_expected=False) if notes.reason is None else None,
    }
    for which, answer in found.items():
        if answer is not None:
            notes.keep(which, answer[:MAX_DIGITS] if which == "number" else answer)
            dialogue.say(phrases.noted(which, notes))
            learned = True
    return learned


def note_wish(dialogue: Dialogue, heard: Heard) -> bool:
    """Keep for later what is free when the caller would like to come; whether there is anything."""
    wish = None if heard.keys else wish_in(heard.text, dialogue.now.date())
    if wish:
        dialogue.notes.offered = calendar.fitting(wish, dialogue.now.date())[: calendar.OFFERS]
    return bool(wish and dialogue.notes.offered)


def change(dialogue: Dialogue, heard: Heard) -> None:
    """Drop what was wrong, or take what is right if they say it in the same breath."""
    named = understood.field_in(heard.said)
    which = named or (None if dialogue.phase == "confirm" else dialogue.notes.last_field)
    if which is None:
        dialogue.ask("change", phrases.WHICH_CHANGE)
    else:
        correct(dialogue, which, heard)


def correct(dialogue: Dialogue, which: FieldName, heard: Heard) -> None:
    """Drop the answer `which`, take the right one if it was given, and go on."""
    if which == "appointment":
        dialogue.notes.wants_message = False
    dialogue.notes.forget(which)
    wish = wish_in(heard.text, dialogue.now.date())
    if which == "appointment" and wish:
        dialogue.offer_wished(wish)
    elif learn(dialogue, heard):
        dialogue.ask_next()
    else:
        dialogue.ask_next(phrases.NO_PROBLEM)
