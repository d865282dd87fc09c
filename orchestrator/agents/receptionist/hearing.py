"""What the receptionist does with what it heard: at any time, else as the phase has it."""

from collections.abc import Callable

from orchestrator.agents.receptionist import phrases
from orchestrator.agents.receptionist import understanding as understood
from orchestrator.agents.receptionist.dialogue import GATHERS, Dialogue
from orchestrator.agents.receptionist.digits import MIN_DIGITS, spoken_digits
from orchestrator.agents.receptionist.learning import Heard, change
from orchestrator.agents.receptionist.phases import IN_PHASE

MAX_CHARACTERS = 1000
"""No caller says more in one breath; and the patterns' time grows with the text."""


def hear(dialogue: Dialogue, text: str, keys: str = "") -> None:
    """Answer what was said, or keyed."""
    heard, misses = Heard(" ".join(text.split())[:MAX_CHARACTERS], keys), dialogue.notes.misses
    if dialogue.phase not in GATHERS:  # the call began with words, or a newer version knows this phase
        dialogue.say(phrases.greeting(dialogue.now))
        dialogue.phase = "open"
    if not (_keyed(dialogue, keys) if keys else _meant(dialogue, heard)):
        IN_PHASE[dialogue.phase](dialogue, heard)
    if dialogue.notes.misses == misses:
        dialogue.notes.misses = 0


def _keyed(dialogue: Dialogue, keys: str) -> bool:
    """Keys that mean the same at any time; whether they did."""
    is_number_asked = dialogue.phase == "number"
    if keys == "*":
        dialogue.ask_again(phrases.REPEATING)
    elif keys == "0" and not is_number_asked:
        _get_person(dialogue)
    elif len(spoken_digits(keys)) >= MIN_DIGITS and not is_number_asked:
        dialogue.take("number", spoken_digits(keys))
    else:
        return False
    return True


def _meant(dialogue: Dialogue, heard: Heard) -> bool:
    """Words that mean the same at any time; whether they did."""
    intent = understood.intent_of(heard.said)
    if intent == "change" and dialogue.phase != "open":
        change(dialogue, heard)
    elif intent in _ANYWHERE:
        _ANYWHERE[intent](dialogue)
    else:
        return False
    return True


def _repeat(dialogue: Dialogue) -> None:
    dialogue.ask_again(phrases.REPEATING)


def _help(dialogue: Dialogue) -> None:
    dialogue.ask_again(phrases.HELP, phrases.ABILITIES)


def _bye(dialogue: Dialogue) -> None:
    dialogue.part_with(phrases.goodbye(dialogue.notes))


def _get_person(dialogue: Dialogue) -> None:
    if dialogue.transfer_to:
        dialogue.connect(dialogue.transfer_to, phrases.CONNECTING)
    else:
        dialogue.begin_message(phrases.NO_PERSON)


def _move_booking(dialogue: Dialogue) -> None:
    if dialogue.notes.appointment is None:
        dialogue.begin_message(phrases.EARLIER_BOOKING)
    else:
        dialogue.notes.forget("appointment")
        dialogue.ask_next(phrases.NO_PROBLEM)


def _cancel(dialogue: Dialogue) -> None:
    """Drop the appointment of this call; one of an earlier call is for a message."""
    is_this = dialogue.notes.appointment is not None or dialogue.phase == "appointment"
    if is_this and not dialogue.notes.wants_message:
        dialogue.notes.forget("appointment")
        dialogue.ask("more", phrases.CANCELLED, phrases.ANYTHING_ELSE)
    else:
        dialogue.begin_message(phrases.EARLIER_BOOKING)


def _take_message(dialogue: Dialogue) -> None:
    dialogue.begin_message(phrases.GLADLY)


_ANYWHERE: dict[str | None, Callable[[Dialogue], None]] = {
    "repeat": _repeat,
    "help": _help,
    "person": _get_person,
    "bye": _bye,
    "cancel": _cancel,
    "earlier_booking": _move_booking,
    "message": _take_message,
}
