"""Routes what the caller said: intents that mean the same in every phase first, then by the phase."""

from collections.abc import Callable

from orchestrator.agents.receptionist import intents, phrases
from orchestrator.agents.receptionist.calendar_look_up import in_unheard_offer
from orchestrator.agents.receptionist.dialogue import GATHERS, TURNS_BEFORE_HELP, Dialogue
from orchestrator.agents.receptionist.digits import MIN_DIGITS, spoken_digits
from orchestrator.agents.receptionist.phase_rules import PHASE_RULES
from orchestrator.agents.receptionist.profanity import without_profanity
from orchestrator.agents.receptionist.slot_filling import CallerInput, change
from orchestrator.agents.receptionist.text_messages import cancel_by_text
from orchestrator.conversation.actions import Gather

MAX_CHARACTERS = 1000
"""No caller says more at once, and the time of the patterns grows with the text."""


def route_input(dialogue: Dialogue, text: str, keys: str = "") -> None:
    """Answer what the caller said, or the keys that they pressed."""
    form, text = dialogue.form, " ".join(text.split())[:MAX_CHARACTERS]
    calm = without_profanity(text)
    caller, misses, before = CallerInput(calm, keys, is_angry=calm != text), form.misses, _progress(dialogue)
    if dialogue.phase not in GATHERS:  # the call began with words, or a newer version knows this phase
        dialogue.say(phrases.greeting(dialogue.now))
        dialogue.phase = "open"
    if not (_route_keys(dialogue, keys) if keys else _route_global_intent(dialogue, caller)):
        is_unheard = dialogue.is_offer_unheard and dialogue.phase == "appointment"
        rule = in_unheard_offer if is_unheard else PHASE_RULES[dialogue.phase]
        rule(dialogue, caller)
    is_miss = form.misses > misses
    if is_miss and caller.is_angry:
        first, *rest = dialogue.parts
        dialogue.parts = [phrases.CALM, f" {first}" if isinstance(first, str) else first, *rest]
    form.misses = form.misses if is_miss else 0
    _count_progress(dialogue, before, is_miss=is_miss)


def _progress(dialogue: Dialogue) -> tuple[object, ...]:
    """Return what changes as the conversation makes progress."""
    form = dialogue.form
    answers = (form.name, form.number, form.reason, form.appointment, form.number_begun, form.is_booked)
    return (dialogue.phase, form.wants_message, tuple(form.offered), tuple(form.avoided), *answers)


def _count_progress(dialogue: Dialogue, before: tuple[object, ...], *, is_miss: bool) -> None:
    """Offer a person or a message if several turns were understood but brought no progress."""
    is_asking = any(isinstance(part, Gather) for part in dialogue.parts) and not dialogue.is_repeating
    if is_miss or not is_asking:
        return
    dialogue.form.stuck = dialogue.form.stuck + 1 if _progress(dialogue) == before else 0
    if dialogue.form.stuck >= TURNS_BEFORE_HELP and (dialogue.transfer_to or not dialogue.form.wants_message):
        said = [part for part in dialogue.parts[:1] if part in (phrases.NONE_EARLIER, phrases.NONE_THEN)]
        dialogue.parts = list(said)
        dialogue.offer_help(*([] if said else [phrases.NO_PROGRESS]))


def _route_keys(dialogue: Dialogue, keys: str) -> bool:
    """Handle keys that mean the same in every phase. Return True if these do."""
    is_number_asked = dialogue.phase == "number"
    if keys == "*":
        _repeat(dialogue)
    elif keys == "0" and not is_number_asked:
        _get_person(dialogue)
    elif len(spoken_digits(keys)) >= MIN_DIGITS and not is_number_asked:
        dialogue.fill_in("number", spoken_digits(keys))
    else:
        return False
    return True


def _route_global_intent(dialogue: Dialogue, caller: CallerInput) -> bool:
    """Handle words that mean the same in every phase. Return True if these do."""
    intent = intents.intent_of(caller.said)
    if intent == "emergency" and dialogue.form.is_warned and dialogue.phase == "reason":
        return False  # they have heard the number, and answer the question
    if intent == "change" and dialogue.phase != "open":
        change(dialogue, caller)
    elif intent in _GLOBAL_INTENTS:
        _GLOBAL_INTENTS[intent](dialogue)
    else:
        return False
    return True


def _warn(dialogue: Dialogue) -> None:
    dialogue.form.is_warned = True
    dialogue.offer_help(phrases.emergency(dialogue.emergency_number), message=phrases.OFFER_MESSAGE_TOO)


def _wait(dialogue: Dialogue) -> None:
    dialogue.is_repeating = dialogue.is_thinking = True
    dialogue.say(phrases.TAKE_TIME)
    dialogue.listen()


def _repeat(dialogue: Dialogue) -> None:
    dialogue.is_repeating = True
    dialogue.ask_again(phrases.REPEATING)


def _help(dialogue: Dialogue) -> None:
    dialogue.ask_again(phrases.HELP, phrases.ABILITIES)


def _bye(dialogue: Dialogue) -> None:
    dialogue.say_goodbye(phrases.goodbye(dialogue.form))


def _get_person(dialogue: Dialogue) -> None:
    if dialogue.transfer_to:
        dialogue.transfer(dialogue.transfer_to, phrases.CONNECTING)
    else:
        dialogue.take_message(phrases.NO_PERSON)


def _move_booking(dialogue: Dialogue) -> None:
    if dialogue.form.appointment is None:
        dialogue.take_message(phrases.EARLIER_BOOKING)
    else:
        dialogue.form.forget("appointment")
        dialogue.ask_next(phrases.NO_PROBLEM)


def _cancel(dialogue: Dialogue) -> None:
    """Drop the appointment of this call; for one of an earlier call take a message."""
    is_this = dialogue.form.appointment is not None or dialogue.phase == "appointment"
    if is_this and not dialogue.form.wants_message:
        dialogue.form.forget("appointment")
        cancel_by_text(dialogue)
        dialogue.ask("more", phrases.CANCELLED, phrases.ANYTHING_ELSE)
    else:
        dialogue.take_message(phrases.EARLIER_BOOKING)


def _take_message(dialogue: Dialogue) -> None:
    dialogue.take_message(phrases.GLADLY)


_GLOBAL_INTENTS: dict[str | None, Callable[[Dialogue], None]] = {
    "emergency": _warn,
    "wait": _wait,
    "repeat": _repeat,
    "help": _help,
    "person": _get_person,
    "bye": _bye,
    "cancel": _cancel,
    "earlier_booking": _move_booking,
    "message": _take_message,
}
