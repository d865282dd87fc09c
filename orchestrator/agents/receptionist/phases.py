"""What an answer means to the question that was asked: one function a phase."""

import re
from collections.abc import Callable

from orchestrator.agents.receptionist import calendar, phrases
from orchestrator.agents.receptionist import understanding as understood
from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.agents.receptionist.digits import MAX_DIGITS, MIN_DIGITS, spoken_digits
from orchestrator.agents.receptionist.learning import Heard, correct, learn, note_wish
from orchestrator.agents.receptionist.notes import FIELDS, FieldName
from orchestrator.agents.receptionist.times import wish_in

_EARLIER = re.compile(r"\b(earlier|sooner|before)\b")
_LATER = re.compile(r"\b(later|after|next|other|another|different|else|more)\b")


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
    else:
        is_sentence = len(heard.said.split()) > 1
        _take_or_miss(dialogue, "reason", understood.reason_in(heard.text, is_expected=True) if is_sentence else None)


def _in_name(dialogue: Dialogue, heard: Heard) -> None:
    if learn(dialogue, heard):
        dialogue.ask_next()
    elif name := understood.name_in(heard.text, is_expected=True):
        dialogue.take("name", name)
    elif note_wish(dialogue, heard):
        dialogue.ask_again(phrases.GLADLY)
    else:
        dialogue.miss()


def _in_number(dialogue: Dialogue, heard: Heard) -> None:
    notes, own = dialogue.notes, spoken_digits(dialogue.from_number)
    if understood.is_doubtful(heard.said) and understood.number_in(heard.text) is None:
        dialogue.miss(phrases.WHY_NUMBER)
        return
    if understood.means_this_number(heard.said) and len(own) >= MIN_DIGITS:
        dialogue.take("number", own)
        return
    digits = spoken_digits(heard.keys or heard.text)
    if len(digits) < MIN_DIGITS:
        digits = notes.number_begun + digits
    notes.number_begun = digits if 0 < len(digits) < MIN_DIGITS else ""
    if len(digits) > MAX_DIGITS:
        dialogue.miss(phrases.NUMBER_TOO_LONG)
    elif notes.number_begun and spoken_digits(heard.keys or heard.text):
        dialogue.ask("number", phrases.so_far(digits))
    else:
        _take_or_miss(dialogue, "number", digits if len(digits) >= MIN_DIGITS else None)


def _in_reason(dialogue: Dialogue, heard: Heard) -> None:
    is_answer = not heard.keys and heard.said not in ("yes", "no") and not understood.is_greeting(heard.said)
    _take_or_miss(dialogue, "reason", understood.reason_in(heard.text, is_expected=True) if is_answer else None)


def _in_appointment(dialogue: Dialogue, heard: Heard) -> None:
    today, offered = dialogue.now.date(), dialogue.notes.offered
    if not heard.keys and (wish := wish_in(heard.text, today)):
        dialogue.offer_wished(wish)
    elif _EARLIER.search(heard.said):
        earlier = calendar.before(offered, today)
        dialogue.offer(earlier or offered or calendar.first_offers(today), *[phrases.NONE_EARLIER][: not earlier])
    elif _LATER.search(heard.said) or understood.is_no(heard.said):
        dialogue.offer(calendar.after(offered, today))
    else:
        _choose(dialogue, heard)


def _choose(dialogue: Dialogue, heard: Heard) -> None:
    offered, choice = dialogue.notes.offered, understood.choice_in(heard.said, heard.keys)
    agrees = understood.is_yes(heard.said)
    if choice is not None and choice < len(offered):
        dialogue.take("appointment", offered[choice])
    elif agrees and len(offered) == 1:
        dialogue.take("appointment", offered[0])
    elif agrees:
        dialogue.ask("appointment", phrases.WHICH_OFFER)
    else:
        dialogue.miss()


def _in_confirm(dialogue: Dialogue, heard: Heard) -> None:
    which = understood.field_in(heard.said)
    wish = None if heard.keys or dialogue.notes.wants_message else wish_in(heard.text, dialogue.now.date())
    if understood.asks_what_was(heard.said):
        dialogue.ask_again(phrases.REPEATING)
    elif heard.keys == "1" or (understood.is_yes(heard.said) and which is None):
        dialogue.notes.is_booked = not dialogue.notes.wants_message
        dialogue.say(phrases.done(dialogue.notes))
        dialogue.ask("more", phrases.ANYTHING_ELSE)
    elif which is not None:
        correct(dialogue, which, heard)
    elif learn(dialogue, heard):
        dialogue.ask_next()
    elif wish:
        dialogue.offer_wished(wish)
    elif heard.keys == "2" or understood.is_no(heard.said):
        dialogue.ask("change", phrases.WHICH_CHANGE)
    else:
        dialogue.miss()


def _in_change(dialogue: Dialogue, heard: Heard) -> None:
    which = FIELDS[int(heard.keys) - 1] if heard.keys in ("1", "2", "3", "4") else understood.field_in(heard.said)
    if which is not None:
        correct(dialogue, which, heard)
    elif learn(dialogue, heard) or understood.is_no(heard.said):
        dialogue.ask_next()
    else:
        dialogue.miss()


def _in_more(dialogue: Dialogue, heard: Heard) -> None:
    if understood.asks_what_was(heard.said):
        dialogue.ask_again(*phrases.booked(dialogue.notes))
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
    "appointment": _in_appointment,
    "confirm": _in_confirm,
    "change": _in_change,
    "more": _in_more,
}
