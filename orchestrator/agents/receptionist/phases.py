"""What an answer means to the question that was asked: one function a phase."""

from collections.abc import Callable

from orchestrator.agents.receptionist import phrases
from orchestrator.agents.receptionist import understanding as understood
from orchestrator.agents.receptionist.addresses import holds_address, without_addresses
from orchestrator.agents.receptionist.appointment_choice import in_appointment, take_time
from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.agents.receptionist.digits import MAX_DIGITS, MIN_DIGITS, spoken_digits
from orchestrator.agents.receptionist.learning import Heard, correct, learn, note_wish
from orchestrator.agents.receptionist.names import name_in
from orchestrator.agents.receptionist.notes import FIELDS, FieldName

LEAST_OF_A_NUMBER = 4
"""Fewer digits beside a day or time are those of the day or time."""
LEAST_OF_A_REASON = 4
"""Fewer words beside a "no", or beside a word of anger, are nothing more than that."""


def _in_open(dialogue: Dialogue, heard: Heard) -> None:
    if not heard.keys and (not heard.said or understood.is_greeting(heard.said)):
        dialogue.say(phrases.ABILITIES)
        dialogue.ask("open", phrases.WHAT_CAN_I_DO)
        return
    learned, has_wish = learn(dialogue, heard), note_wish(dialogue, heard)
    if learned:
        dialogue.ask_next()
    elif heard.keys == "1" or has_wish or understood.wants("booking", heard.said):
        dialogue.ask_next(phrases.GLADLY)
    elif understood.is_question(heard.said) and (question := understood.reason_in(heard.text, is_expected=True)):
        dialogue.notes.keep("reason", question)
        dialogue.begin_message(phrases.CANNOT_ANSWER)
    elif understood.asks_to_tell(heard.said) and (message := understood.reason_in(heard.text, is_expected=True)):
        dialogue.notes.keep("reason", message)
        dialogue.begin_message(phrases.GLADLY)
    elif _is_name_alone(heard) and (name := name_in(heard.text, is_expected=True)):
        dialogue.take("name", name)
    else:
        is_sentence = len(heard.said.split()) > 1 and not heard.is_angry and not holds_address(heard.text)
        _take_or_miss(dialogue, "reason", understood.reason_in(heard.text, is_expected=True) if is_sentence else None)


def _is_name_alone(heard: Heard) -> bool:
    """Whether all that was said is written as a name is: "Ann Lee"."""
    words = heard.text.split()
    return 1 < len(words) <= 4 and all(word[0].isupper() for word in words)


def _in_name(dialogue: Dialogue, heard: Heard) -> None:
    if learn(dialogue, heard):
        if dialogue.notes.name is None and (name := name_in(heard.text, is_expected=True)):
            dialogue.notes.keep("name", name)  # "Ann Lee, and my number is …"
        dialogue.ask_next()
    elif not heard.is_angry and (name := name_in(heard.text, is_expected=True)):
        dialogue.take("name", name)
    elif note_wish(dialogue, heard):
        dialogue.ask_again(phrases.NOTED_WISH)
    else:
        dialogue.miss()


def _in_number(dialogue: Dialogue, heard: Heard) -> None:
    notes, own = dialogue.notes, spoken_digits(dialogue.from_number)
    if understood.is_doubtful(heard.said) and understood.number_in(heard.text) is None:
        dialogue.miss(phrases.WHY_NUMBER)
        return
    given = spoken_digits(heard.keys or without_addresses(heard.text))
    if len(given) < LEAST_OF_A_NUMBER and understood.means_this_number(heard.said) and len(own) >= MIN_DIGITS:
        dialogue.take("number", own)
        return
    if len(given) < LEAST_OF_A_NUMBER and not notes.number_begun and note_wish(dialogue, heard):
        dialogue.ask_again(phrases.NOTED_WISH)
        return
    if not given and holds_address(heard.text):
        dialogue.miss(phrases.ONLY_NUMBER)
        return
    digits = given
    if len(digits) < MIN_DIGITS:
        digits = notes.number_begun + digits
    notes.number_begun = digits if 0 < len(digits) < MIN_DIGITS else ""
    if len(digits) > MAX_DIGITS:
        dialogue.miss(phrases.NUMBER_TOO_LONG)
    elif notes.number_begun and given:
        dialogue.ask("number", phrases.so_far(digits))
    else:
        _take_or_miss(dialogue, "number", digits if len(digits) >= MIN_DIGITS else None)


def _in_reason(dialogue: Dialogue, heard: Heard) -> None:
    number = understood.number_in(heard.text)
    if number is not None and (understood.is_no(heard.said) or understood.field_in(heard.said) == "number"):
        dialogue.take("number", number)  # "No, it's 555 …": it corrects the number that was read back
        return
    is_curse = heard.is_angry and len(heard.said.split()) < LEAST_OF_A_REASON
    is_answer = (
        not is_curse and not heard.keys and heard.said not in ("yes", "no") and not understood.is_greeting(heard.said)
    )
    _take_or_miss(dialogue, "reason", understood.reason_in(heard.text, is_expected=True) if is_answer else None)


def _in_confirm(dialogue: Dialogue, heard: Heard) -> None:
    which = understood.field_in(heard.said)
    is_one = heard.keys == "1" or heard.said in ("one", "1")  # it was said that one may press it
    agrees = is_one or understood.is_yes(heard.said)
    if understood.asks_what_was(heard.said):
        dialogue.ask_again(phrases.REPEATING)
    elif which is not None and not heard.keys:
        correct(dialogue, which, heard)
    elif not (is_one or dialogue.notes.wants_message) and take_time(dialogue, heard, agrees=agrees):
        pass
    elif agrees and not _says_more(heard):
        dialogue.notes.is_booked = not dialogue.notes.wants_message
        dialogue.say(phrases.done(dialogue.notes))
        dialogue.ask("more", phrases.ANYTHING_ELSE)
    elif learn(dialogue, heard):
        dialogue.ask_next()
    elif agrees or heard.keys == "2" or heard.said in ("two", "2") or understood.is_no(heard.said):
        dialogue.ask("change", phrases.WHICH_CHANGE)
    else:
        dialogue.miss()


def _says_more(heard: Heard) -> bool:
    """Whether a "yes" goes on with something else: "yes, but …"."""
    return " but " in f" {heard.said} "


def _in_change(dialogue: Dialogue, heard: Heard) -> None:
    which = FIELDS[int(heard.keys) - 1] if heard.keys in ("1", "2", "3", "4") else understood.field_in(heard.said)
    if which is not None:
        correct(dialogue, which, heard)
    elif not dialogue.notes.wants_message and take_time(dialogue, heard, agrees=False):
        pass
    elif learn(dialogue, heard) or understood.is_no(heard.said):
        dialogue.ask_next()
    else:
        dialogue.miss()


def _in_more(dialogue: Dialogue, heard: Heard) -> None:
    if understood.asks_what_was(heard.said):
        dialogue.ask_again(*phrases.booked(dialogue.notes))
    elif dialogue.notes.is_booked and take_time(dialogue, heard, agrees=False):
        pass
    elif heard.keys == "2" or understood.is_no(heard.said):
        dialogue.part_with(phrases.goodbye(dialogue.notes))
    elif understood.wants("booking", heard.said):
        dialogue.notes.wants_message = False
        dialogue.notes.forget("reason")
        dialogue.notes.forget("appointment")
        learn(dialogue, heard)
        dialogue.ask_next(phrases.GLADLY)
    elif heard.keys == "1" or understood.is_yes(heard.said):
        dialogue.ask("more", phrases.WHAT_ELSE)
    elif understood.is_thanks(heard.said):
        dialogue.ask("more", phrases.WELCOME, phrases.ANYTHING_ELSE)
    else:
        dialogue.miss(phrases.MISSED["more"])


def _in_person(dialogue: Dialogue, heard: Heard) -> None:
    """The answer to the offer of a person; else to the question before it."""
    if heard.keys == "1" or understood.is_yes(heard.said):
        if dialogue.transfer_to:
            dialogue.go_back()
            dialogue.parts.clear()
            dialogue.connect(dialogue.transfer_to, phrases.CONNECTING)
        else:
            dialogue.begin_message(phrases.GLADLY)
    elif heard.keys == "2" or (understood.is_no(heard.said) and len(heard.said.split()) < LEAST_OF_A_REASON):
        dialogue.go_back(phrases.NO_PROBLEM)
    else:
        before = dialogue.notes.before
        dialogue.phase = before if before in IN_PHASE and before != "person" else "open"
        IN_PHASE[dialogue.phase](dialogue, heard)


def _take_or_miss(dialogue: Dialogue, which: FieldName, answer: str | None) -> None:
    if answer is None:
        dialogue.miss()
    else:
        dialogue.take(which, answer)


IN_PHASE: dict[str, Callable[[Dialogue, Heard], None]] = {
    "open": _in_open,
    "name": _in_name,
    "number": _in_number,
    "reason": _in_reason,
    "appointment": in_appointment,
    "confirm": _in_confirm,
    "change": _in_change,
    "more": _in_more,
    "person": _in_person,
}
