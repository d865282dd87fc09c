"""What an answer means to the question that was asked: one rule for each phase."""

from collections.abc import Callable

from orchestrator.agents.receptionist import intents, phrases
from orchestrator.agents.receptionist.appointment_choice import in_appointment, take_time
from orchestrator.agents.receptionist.booking_form import FIELDS, FieldName
from orchestrator.agents.receptionist.calendar_look_up import in_looking
from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.agents.receptionist.digits import MAX_DIGITS, MIN_DIGITS, spoken_digits
from orchestrator.agents.receptionist.email_addresses import holds_address, without_addresses
from orchestrator.agents.receptionist.names import name_in
from orchestrator.agents.receptionist.slot_filling import CallerInput, correct, fill_slots, note_wish
from orchestrator.agents.receptionist.text_messages import confirm_by_text

LEAST_OF_A_NUMBER = 4
"""Fewer digits next to a day or time belong to that."""
LEAST_OF_A_REASON = 4
"""Fewer words around a "no" or a word of anger mean nothing more than that."""


def _in_open(dialogue: Dialogue, caller: CallerInput) -> None:
    if not caller.keys and (not caller.said or intents.is_greeting(caller.said)):
        dialogue.say(phrases.ABILITIES)
        dialogue.ask("open", phrases.WHAT_CAN_I_DO)
        return
    filled, has_wish = fill_slots(dialogue, caller), note_wish(dialogue, caller)
    if filled:
        dialogue.ask_next()
    elif caller.keys == "1" or has_wish or intents.wants("booking", caller.said):
        dialogue.ask_next(phrases.GLADLY)
    elif intents.is_question(caller.said) and (question := intents.reason_in(caller.text, is_expected=True)):
        dialogue.form.keep("reason", question)
        dialogue.take_message(phrases.CANNOT_ANSWER)
    elif intents.asks_to_tell(caller.said) and (message := intents.reason_in(caller.text, is_expected=True)):
        dialogue.form.keep("reason", message)
        dialogue.take_message(phrases.GLADLY)
    elif _is_name_alone(caller) and (name := name_in(caller.text, is_expected=True)):
        dialogue.fill_in("name", name)
    else:
        is_sentence = len(caller.said.split()) > 1 and not caller.is_angry and not holds_address(caller.text)
        _take_or_miss(dialogue, "reason", intents.reason_in(caller.text, is_expected=True) if is_sentence else None)


def _is_name_alone(caller: CallerInput) -> bool:
    """True if everything that was said is written like a name: "Ann Lee"."""
    words = caller.text.split()
    return 1 < len(words) <= 4 and all(word[0].isupper() for word in words)


def _in_name(dialogue: Dialogue, caller: CallerInput) -> None:
    if fill_slots(dialogue, caller):
        if dialogue.form.name is None and (name := name_in(caller.text, is_expected=True)):
            dialogue.form.keep("name", name)  # "Ann Lee, and my number is …"
        dialogue.ask_next()
    elif not caller.is_angry and (name := name_in(caller.text, is_expected=True)):
        dialogue.fill_in("name", name)
    elif note_wish(dialogue, caller):
        dialogue.ask_again(phrases.NOTED_WISH)
    else:
        dialogue.miss()


def _in_number(dialogue: Dialogue, caller: CallerInput) -> None:
    form, own = dialogue.form, spoken_digits(dialogue.from_number)
    if intents.is_doubtful(caller.said) and intents.number_in(caller.text) is None:
        dialogue.miss(phrases.WHY_NUMBER)
        return
    given = spoken_digits(caller.keys or without_addresses(caller.text))
    if len(given) < LEAST_OF_A_NUMBER and intents.means_this_number(caller.said) and len(own) >= MIN_DIGITS:
        dialogue.fill_in("number", own)
        return
    if len(given) < LEAST_OF_A_NUMBER and not form.number_begun and note_wish(dialogue, caller):
        dialogue.ask_again(phrases.NOTED_WISH)
        return
    if not given and holds_address(caller.text):
        dialogue.miss(phrases.ONLY_NUMBER)
        return
    digits = given
    if len(digits) < MIN_DIGITS:
        digits = form.number_begun + digits
    form.number_begun = digits if 0 < len(digits) < MIN_DIGITS else ""
    if len(digits) > MAX_DIGITS:
        dialogue.miss(phrases.NUMBER_TOO_LONG)
    elif form.number_begun and given:
        dialogue.ask("number", phrases.so_far(digits))
    else:
        _take_or_miss(dialogue, "number", digits if len(digits) >= MIN_DIGITS else None)


def _in_reason(dialogue: Dialogue, caller: CallerInput) -> None:
    number = intents.number_in(caller.text)
    if number is not None and (intents.is_no(caller.said) or intents.field_in(caller.said) == "number"):
        dialogue.fill_in("number", number)  # "No, it's 555 …": it corrects the number that was read back
        return
    is_curse = caller.is_angry and len(caller.said.split()) < LEAST_OF_A_REASON
    is_answer = (
        not is_curse and not caller.keys and caller.said not in ("yes", "no") and not intents.is_greeting(caller.said)
    )
    _take_or_miss(dialogue, "reason", intents.reason_in(caller.text, is_expected=True) if is_answer else None)


def _in_confirm(dialogue: Dialogue, caller: CallerInput) -> None:
    which = intents.field_in(caller.said)
    is_one = caller.keys == "1" or caller.said in ("one", "1")  # they were told that they can press one
    agrees = is_one or intents.is_yes(caller.said)
    if intents.asks_what_was(caller.said):
        dialogue.ask_again(phrases.REPEATING)
    elif which is not None and not caller.keys:
        correct(dialogue, which, caller)
    elif not (is_one or dialogue.form.wants_message) and take_time(dialogue, caller, agrees=agrees):
        pass
    elif agrees and not _says_more(caller):
        dialogue.form.is_booked = not dialogue.form.wants_message
        text_follows = [phrases.TEXT_FOLLOWS] if confirm_by_text(dialogue) else []
        dialogue.say(phrases.done(dialogue.form), *text_follows)
        dialogue.ask("more", phrases.ANYTHING_ELSE)
    elif fill_slots(dialogue, caller):
        dialogue.ask_next()
    elif agrees or caller.keys == "2" or caller.said in ("two", "2") or intents.is_no(caller.said):
        dialogue.ask("change", phrases.WHICH_CHANGE)
    else:
        dialogue.miss()


def _says_more(caller: CallerInput) -> bool:
    """True if something else follows a "yes": "yes, but …"."""
    return " but " in f" {caller.said} "


def _in_change(dialogue: Dialogue, caller: CallerInput) -> None:
    which = FIELDS[int(caller.keys) - 1] if caller.keys in ("1", "2", "3", "4") else intents.field_in(caller.said)
    if which is not None:
        correct(dialogue, which, caller)
    elif not dialogue.form.wants_message and take_time(dialogue, caller, agrees=False):
        pass
    elif fill_slots(dialogue, caller) or intents.is_no(caller.said):
        dialogue.ask_next()
    else:
        dialogue.miss()


def _in_more(dialogue: Dialogue, caller: CallerInput) -> None:
    if intents.asks_what_was(caller.said):
        dialogue.ask_again(*phrases.booked(dialogue.form))
    elif dialogue.form.is_booked and take_time(dialogue, caller, agrees=False):
        pass
    elif caller.keys == "2" or intents.is_no(caller.said):
        dialogue.say_goodbye(phrases.goodbye(dialogue.form))
    elif intents.wants("booking", caller.said):
        dialogue.form.wants_message = False
        dialogue.form.forget("reason")
        dialogue.form.forget("appointment")
        fill_slots(dialogue, caller)
        dialogue.ask_next(phrases.GLADLY)
    elif caller.keys == "1" or intents.is_yes(caller.said):
        dialogue.ask("more", phrases.WHAT_ELSE)
    elif intents.is_thanks(caller.said):
        dialogue.ask("more", phrases.WELCOME, phrases.ANYTHING_ELSE)
    else:
        dialogue.miss(phrases.MISSED["more"])


def _in_person(dialogue: Dialogue, caller: CallerInput) -> None:
    """Take the answer to the offer of a person; anything else as an answer to the question before it."""
    if caller.keys == "1" or intents.is_yes(caller.said):
        if dialogue.transfer_to:
            dialogue.go_back()
            dialogue.parts.clear()
            dialogue.transfer(dialogue.transfer_to, phrases.CONNECTING)
        else:
            dialogue.take_message(phrases.GLADLY)
    elif caller.keys == "2" or (intents.is_no(caller.said) and len(caller.said.split()) < LEAST_OF_A_REASON):
        dialogue.go_back(phrases.NO_PROBLEM)
    else:
        before = dialogue.form.before
        dialogue.phase = before if before in PHASE_RULES and before != "person" else "open"
        PHASE_RULES[dialogue.phase](dialogue, caller)


def _in_recording(dialogue: Dialogue, caller: CallerInput) -> None:
    """Take the message down that was to be recorded: this channel has brought words instead."""
    dialogue.take_message()
    if (message := intents.reason_in(caller.text, is_expected=True)) and not caller.keys:
        dialogue.parts.clear()
        dialogue.fill_in("reason", message)


def _take_or_miss(dialogue: Dialogue, which: FieldName, answer: str | None) -> None:
    if answer is None:
        dialogue.miss()
    else:
        dialogue.fill_in(which, answer)


PHASE_RULES: dict[str, Callable[[Dialogue, CallerInput], None]] = {
    "open": _in_open,
    "name": _in_name,
    "number": _in_number,
    "reason": _in_reason,
    "looking": in_looking,
    "appointment": in_appointment,
    "confirm": _in_confirm,
    "change": _in_change,
    "more": _in_more,
    "person": _in_person,
    "recording": _in_recording,
}
