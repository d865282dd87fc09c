"""What callers say of themselves and of what they said before: taken down, and corrected."""

from dataclasses import dataclass

from orchestrator.agents.receptionist import phrases
from orchestrator.agents.receptionist import understanding as understood
from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.agents.receptionist.digits import MAX_DIGITS
from orchestrator.agents.receptionist.mentions import Mention
from orchestrator.agents.receptionist.names import name_in
from orchestrator.agents.receptionist.notes import FieldName
from orchestrator.agents.receptionist.wishes import mentions_in, wish_in, wish_of


@dataclass(frozen=True)
class Heard:
    """What the caller said: as it came, made plain for the patterns, and the keys if it was keyed."""

    text: str
    keys: str = ""
    is_angry: bool = False  # there were words of anger, which are left out

    @property
    def said(self) -> str:
        """The words, plain; none for keys."""
        return "" if self.keys else understood.plain(self.text)


def learn(dialogue: Dialogue, heard: Heard) -> bool:
    """Note all that the caller says of themselves in one breath; whether there was anything."""
    notes, learned = dialogue.notes, False
    found: dict[FieldName, str | None] = {
        "name": name_in(heard.text, is_expected=False),
        "number": understood.number_in(heard.text),
        "reason": _reason_in(dialogue, heard) if notes.reason is None else None,
    }
    for which, answer in found.items():
        if answer is not None:
            notes.keep(which, answer[:MAX_DIGITS] if which == "number" else answer)
            dialogue.say(phrases.noted(which, notes))
            learned = True
    return learned


MOST_WORDS_OF_A_TIME = 5


def _reason_in(dialogue: Dialogue, heard: Heard) -> str | None:
    """The reason, if it is no time: "an appointment for Tuesday" tells of none."""
    reason = understood.reason_in(heard.text, is_expected=False)
    is_time = reason is not None and bool(wish_in(reason, dialogue.now.date()))
    return None if reason is None or (is_time and len(reason.split()) <= MOST_WORDS_OF_A_TIME) else reason


def mentioned(dialogue: Dialogue, heard: Heard) -> list[Mention]:
    """Return the days, times and offers that were named in answer to a question for a time; none are keyed."""
    notes = dialogue.notes
    near = notes.appointment or (notes.offered[-1] if notes.offered else None)
    today = dialogue.now.date()
    return [] if heard.keys else mentions_in(heard.text, today, near and near.date(), is_expected=True)


def note_wish(dialogue: Dialogue, heard: Heard) -> bool:
    """Keep for later what is free when the caller would like to come; whether they said when."""
    wish = None if heard.keys else wish_in(heard.text, dialogue.now.date())
    return bool(wish and (dialogue.note_wish(wish) or wish.avoided_days))


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
    wish = wish_of(mentioned(dialogue, heard))
    dialogue.notes.forget(which)
    if which == "appointment" and wish:
        dialogue.offer_wished(wish)
    elif learn(dialogue, heard):
        dialogue.ask_next()
    else:
        dialogue.ask_next(phrases.NO_PROBLEM)
