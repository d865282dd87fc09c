"""Everything the receptionist says. Short sentences: they are heard, not read."""

from collections.abc import Sequence
from datetime import datetime, time

from orchestrator.agents.receptionist.booking_form import BookingForm, FieldName
from orchestrator.agents.receptionist.digits import grouped

ABILITIES = "I can book an appointment, or take a message for my colleagues."
WHAT_CAN_I_DO = "What can I do for you?"
HELP = "I'm the automatic receptionist here, a program, and happy to help."
HELLO_AGAIN = "Hello again."

ASK: dict[FieldName, str] = {
    "name": "May I have your name, please?",
    "number": "What number can we reach you on? You can say it, or key it in and press the hash key.",
    "reason": "And what is it about?",
}
ASK_MESSAGE = "What shall I tell them?"
MISSED: dict[str, str] = {
    "open": "I'm sorry, I didn't get that. You could say: I'd like an appointment.",
    "name": "I'm sorry, I didn't catch the name. Just your first and last name will do.",
    "number": "I'm sorry, I didn't get a number. You can also press the keys, and the hash key at the end.",
    "reason": "I'm sorry, I didn't get that. A few words are enough, such as: a check-up.",
    "appointment": "I'm sorry, I didn't get that. You can say the first, the second or the third, or name a day.",
    "confirm": "I'm sorry, I didn't get that. Please say yes or no, or press one or two.",
    "change": "You can say: the name, the number, the reason, or the time.",
    "more": "I'm sorry, I didn't get that.",
    "person": "I'm sorry, I didn't get that. Please say yes or no.",
}
UNCLEAR = ("I'm sorry, the line is not very clear.", "I still can't hear you well.")
SILENCE = ("Are you still there?", "I can't hear you. Take your time.")
SILENT_GOODBYE = "I can't hear anybody, so I'll hang up now. Please call again. Goodbye!"
GO_ON = "Yes? Please go on."
REPEATING = "Of course."
RIGHT = "Is that right?"
NO_PROBLEM = "No problem."
WHICH_CHANGE = "What shall I change: the name, the number, the reason, or the time?"
ANYTHING_ELSE = "Is there anything else I can do for you?"
WHAT_ELSE = "What else can I do for you?"
CONNECTING = "Of course. One moment, I'll connect you."
CONNECTING_AFTER_MISSES = "I'm sorry, I don't seem to understand. One moment, I'll connect you with a colleague."
NO_PERSON = "I'm sorry, there is nobody I can put you through to right now. But I'll gladly take a message."
EARLIER_BOOKING = "I can't see earlier bookings myself, but my colleagues can. I'll take a message for them."
CANNOT_ANSWER = "I'm afraid I can't answer that myself, but my colleagues can. I'll take it down for them."
CANCELLED = "It is cancelled."
WHY_NUMBER = "I only ask so that we can reach you."
GLADLY = "With pleasure."
WHICH_OFFER = "Gladly. Which one: the first, the second or the third?"
NONE_EARLIER = "I'm afraid there is nothing earlier."
NONE_THEN = "I'm afraid I have nothing free then."
WELCOME = "You're welcome."
CANNOT_FOLLOW = "I'm sorry, I don't seem to understand."
NO_PROGRESS = "I'm sorry, we don't seem to get any further."
CALM = "I'm sorry about this. I'm doing my best to help."
OFFER_PERSON = "Shall I connect you with a colleague?"
OFFER_MESSAGE = "Shall I take a message for my colleagues instead?"
OFFER_MESSAGE_TOO = "Or shall I take a message for my colleagues?"
TAKE_TIME = "Of course. Take your time."
ONLY_NUMBER = "I can't take down an e-mail address, only a telephone number."
WHICH_DAY = "Just to be sure."
NOTED_WISH = "I'll look for a time then."
GIVE_UP = "I'm sorry, I can't make out what you say on this line. Please call again. Goodbye!"
NUMBER_TOO_LONG = "That was too long for a telephone number."
LET_ME_LOOK = "Let me look at the calendar."
ASK_PATIENT = "Are you a patient of ours?"
STILL_LOOKING = ("One moment, please.", "I'm almost there.", "It won't be long now.")
THANKS = "Thank you."
THANKS_FOR_WAITING = "Thank you for waiting."
NEW_PATIENT = "Then you are very welcome here."
NO_CALENDAR = (
    "I'm sorry, I can't see our calendar right now. But I'll gladly take a message, and we will call you back."
)
NOBODY_ANSWERS = "I'm sorry, nobody can take your call right now."
AFTER_THE_TONE = "Please leave a message after the tone, and press the hash key when you are done."
NOT_RECORDED = "I'm sorry, I didn't hear anything."
PASSED_ON = "Thank you. I'll pass that on, and somebody will call you back."
HERE_AGAIN = "Hello again, this is the receptionist."
TEXT_FOLLOWS = "I'm sending you a text message with it."
TO_CHANGE = "Please call us if you need to change it."
TEXT_OF_CANCELLATION = "Your appointment is cancelled. Please call us if you would like another one."

_ORDINALS = (
    "", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
)  # fmt: skip
_HOURS = (
    "twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
)  # fmt: skip


def greeting(now: datetime) -> str:
    """Return a greeting for the time of day."""
    part = "morning" if now.hour < 12 else "afternoon" if now.hour < 18 else "evening"
    return f"Good {part}, and thank you for calling."


def emergency(number: str) -> str:
    """Return what comes first if a life may be in danger."""
    return f"If this is an emergency, please hang up and call {' '.join(number)} right away."


def goodbye(form: BookingForm) -> str:
    """Return a goodbye: to a caller with an appointment, until then."""
    name = f", {form.name}" if form.name else ""
    if form.is_booked and form.appointment is not None:
        return f"Thank you{name}. See you on {day(form.appointment)}. Goodbye!"
    return f"Thank you for calling{name}. Goodbye!"


def noted(field: FieldName, form: BookingForm) -> str:
    """Return a short confirmation of an answer."""
    if field == "name":
        return f"Thank you, {form.name}."
    if field == "number":
        return f"I have {grouped(form.number or '')}."
    if field == "reason":
        return "I see."
    return "Very good."


def so_far(digits: str) -> str:
    """Return the reaction to a part of a number."""
    return f"I have {grouped(digits)} so far. Please go on."


def offers(slots: Sequence[datetime]) -> str:
    """Return an offer of appointments to choose from."""
    days = ["", *(day(slot) for slot in slots)]
    times = [
        clock_time(slot.time()) if day(slot) == before else moment(slot)
        for slot, before in zip(slots, days, strict=False)
    ]
    if len(times) == 1:
        return f"I have {times[0]}. Does that suit you?"
    return f"I have {', '.join(times[:-1])}, or {times[-1]}. Which suits you?"


def read_back(form: BookingForm) -> list[str]:
    """Return the sentences that read everything back and ask for confirmation."""
    about = "Your message" if form.wants_message else "The reason"
    sentences = [
        "Let me read that back.",
        f"Your name is {form.name}.",
        f"Your number is {grouped(form.number or '')}.",
        f"{about}: {form.reason}.",
    ]
    if form.appointment is not None and not form.wants_message:
        sentences.append(f"You are coming on {moment(form.appointment)}.")
    return [*sentences, RIGHT]


def done(form: BookingForm) -> str:
    """Return the sentence after the caller has confirmed."""
    if form.wants_message:
        return PASSED_ON
    when = f" for {moment(form.appointment)}" if form.appointment else ""
    early = " As it is your first visit, please come ten minutes early." if form.is_patient is False else ""
    return f"Wonderful, you are booked{when}.{early}"


def booked(form: BookingForm) -> list[str]:
    """Return the booking once more; nothing if there is none."""
    if not form.is_booked or form.appointment is None:
        return []
    return [f"You are booked for {moment(form.appointment)}."]


def doctor_late(minutes: int) -> str:
    """Return the news that the doctor is late, by so many minutes if that is known (0: it is not)."""
    by = f" about {minutes} minutes" if minutes else ""
    return f"I've just been told that the doctor is running{by} late today."


def text_of(appointment: datetime) -> str:
    """Return the text message that confirms an appointment: it is read, not heard."""
    return f"You are booked for {appointment:%A} {appointment.day} {appointment:%B} at {appointment:%H:%M}. {TO_CHANGE}"


def moment(slot: datetime) -> str:
    """Return a day and time: "Tuesday the twenty-fourth at half past ten in the morning"."""
    return f"{day(slot)} at {clock_time(slot.time())}"


def day(slot: datetime) -> str:
    """Return a weekday and the day of the month, in words."""
    return f"{slot:%A} the {_ordinal(slot.day)}"


def clock_time(at: time) -> str:
    """Return a time of day, in words."""
    hour = _HOURS[at.hour % 12]
    part = "in the morning" if at.hour < 12 else "in the afternoon"
    if at.minute == 30:
        return f"half past {hour} {part}"
    if at.minute:
        return f"{hour} {at.minute:02} {part}"
    return "noon" if at.hour == 12 else f"{hour} {part}"


def _ordinal(number: int) -> str:
    if number < 20:
        return _ORDINALS[number]
    if number % 10 == 0:
        return "twentieth" if number == 20 else "thirtieth"
    return f"{'twenty' if number < 30 else 'thirty'}-{_ORDINALS[number % 10]}"
