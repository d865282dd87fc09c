"""The receptionist's side of one turn: what it says, asks, offers and does."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.agents.appointments import calendar
from orchestrator.agents.appointments.look_up import FREE_TIMES
from orchestrator.agents.appointments.wish import Wish
from orchestrator.agents.protocol import Part
from orchestrator.agents.receptionist import phrases
from orchestrator.agents.receptionist.booking_form import BookingForm, FieldName
from orchestrator.agents.receptionist.dates import WEEKDAYS
from orchestrator.agents.receptionist.digits import MAX_DIGITS
from orchestrator.conversation.actions import Action, Gather, HangUp, Record, StartActivity, Transfer

MAX_SILENCES, MAX_MISSES, MISSES_BEFORE_HELP, TURNS_BEFORE_HELP = 2, 5, 3, 3
CALENDAR = "calendar"
"""The name of the activity that looks the calendar up."""
LOOK_UP_TIMEOUT_SECONDS = 10
THINKING_SECONDS = 15
"""How long a caller who has asked for time is listened to at once."""
_SENTENCES = re.compile(r"(?<=[.!?])(?<!\bMr\.)(?<!\bMs\.)(?<!\bMx\.)(?<!\bDr\.)(?<!\bMrs\.)(?<!\bRev\.)(?<!Prof\.)\s")
GATHERS = {
    "open": Gather(hints=("appointment", "check-up", "message", "a person", "goodbye")),
    "name": Gather(hints=("my name is",)),
    "number": Gather(timeout_seconds=8, hints=("double", "triple", "oh", "this number")),
    "reason": Gather(hints=("check-up", "consultation", "pain")),
    "looking": Gather(num_digits=1, hints=("yes", "no", "not yet")),
    "appointment": Gather(num_digits=1, hints=("the first", "the second", "the third", "later", *WEEKDAYS)),
    "confirm": Gather(num_digits=1, hints=("yes", "no", "change the number", "change the time")),
    "change": Gather(num_digits=1, hints=("the name", "the number", "the reason", "the time")),
    "more": Gather(num_digits=1, hints=("no, thank you", "yes", "another appointment")),
    "person": Gather(num_digits=1, hints=("yes", "no", "a person", "a message")),
    "recording": Gather(),
}
"""How the answer to each phase's question is taken. The phases are these keys, "" (not begun) and "done"."""


@dataclass
class Dialogue:
    """One turn of the conversation. Its methods change `form` and `phase`, and add to `parts` what is said and done.

    What is to happen later or elsewhere goes to `schedule`: it is yielded before all words, so that it holds although
    the caller cuts them off. `running` has the names of the timers and activities of the call.
    """

    form: BookingForm
    phase: str
    now: datetime
    transfer_to: str | None = None
    from_number: str = ""
    emergency_number: str = "911"
    channel: str = "gather"
    can_text: bool = False
    running: Collection[str] = ()
    is_offer_unheard: bool = False  # the caller speaks before they have heard the offers that the look-up has brought
    parts: list[Part] = field(default_factory=list)
    schedule: list[Action] = field(default_factory=list)
    is_repeating: bool = False  # the caller asked to hear it again, or for time
    is_thinking: bool = False  # the caller asked for time

    def say(self, *texts: str) -> None:
        """Add sentences, each a part of its own."""
        for sentence in filter(None, _SENTENCES.split(" ".join(" ".join(texts).split()))):
            spoken_before = any(isinstance(part, str) for part in self.parts)
            self.parts.append(f" {sentence}" if spoken_before else sentence)

    def listen(self) -> None:
        """Take the next turn as this phase requires."""
        gather = GATHERS[self.phase]
        longer = {"timeout_seconds": max(gather.timeout_seconds, THINKING_SECONDS)}
        self.parts.append(gather.model_copy(update=longer) if self.is_thinking else gather)

    def ask(self, phase: str, *question: str) -> None:
        """Ask `question` in `phase`, and remember it for "pardon?"."""
        self.phase, self.form.question = phase, " ".join(question)
        self.say(*question)
        self.listen()

    def ask_again(self, *before: str) -> None:
        """Repeat the last question, after `before`."""
        self.say(*before, self.form.question or phrases.WHAT_CAN_I_DO)
        self.listen()

    def ask_next(self, *before: str) -> None:
        """Ask for the next missing field, or read everything back."""
        self.say(*before)
        missing = self.form.missing
        if missing is None:
            self.ask("confirm", *phrases.read_back(self.form))
        elif missing == "appointment":
            self.look_up()
        elif missing == "reason" and self.form.wants_message:
            self.ask("reason", phrases.ASK_MESSAGE)
        else:
            self.ask(missing, phrases.ASK[missing])

    def fill_in(self, field_name: FieldName, answer: str | datetime) -> None:
        """Fill in an answer and ask the next question."""
        self.form.keep(field_name, answer[:MAX_DIGITS] if field_name == "number" else answer)  # type: ignore[index]
        self.ask_next(phrases.noted(field_name, self.form))

    def look_up(self) -> None:
        """Offer appointments. Before the first offer of a call, have the calendar looked up, and talk on meanwhile.

        Over the API nobody hears what is said by itself, so there the answer has to have the offers.
        """
        form = self.form
        if form.has_looked_up or self.channel == "api":
            self.offer(form.offered or calendar.first_offers(self.now.date(), avoided=form.avoided))
        elif CALENDAR in self.running:
            self.ask("looking", phrases.STILL_LOOKING[0])
        else:
            self.start_look_up()
            is_asked = form.is_patient is not None
            self.ask("looking", phrases.LET_ME_LOOK, phrases.STILL_LOOKING[0] if is_asked else phrases.ASK_PATIENT)

    def start_look_up(self) -> None:
        """Have the calendar looked up."""
        form = self.form
        form.waits = 0
        asked = {
            "today": self.now.date().isoformat(),
            "wished": [slot.isoformat() for slot in form.offered],
            "avoided": [day.isoformat() for day in form.avoided],
        }
        timeout = LOOK_UP_TIMEOUT_SECONDS
        self.schedule.append(StartActivity(FREE_TIMES, asked, name=CALENDAR, timeout_seconds=timeout, retries=1))

    def offer(self, slots: list[datetime], *before: str) -> None:
        """Offer these appointments."""
        self.form.forget("appointment")
        self.form.offered = slots
        self.say(*before)
        self.ask("appointment", phrases.offers(slots))

    def note_wish(self, wish: Wish) -> bool:
        """Note when the caller would like to come, and when not. Return True if anything is free then."""
        wanted = wish.days | ({wish.day} if wish.day else set())
        self.form.avoided = sorted((set(self.form.avoided) | wish.avoided_days) - wanted)
        found = calendar.offers_for(wish, self.now.date(), self.form.avoided) if wish else []
        if found:
            self.form.offered = found
        return bool(found)

    def offer_wished(self, wish: Wish) -> None:
        """Take the appointment that the caller named, or offer those that fit, or those that come near."""
        offered = self.form.offered
        is_free = self.note_wish(wish)
        named = [slot for slot in offered if wish.fits(slot)]
        if len(named) != 1:
            free = calendar.fitting(wish, self.now.date(), self.form.avoided)
            days = {slot.date() for slot in offered}
            named = [slot for slot in free if slot.date() in days and not wish.names_day] or free
        if wish.is_positive and (len(named) == 1 or (named and wish.at)):
            self.fill_in("appointment", named[0])
        elif is_free:
            self.offer(self.form.offered, *([] if wish.is_positive else [phrases.NO_PROBLEM]))
        else:
            self.offer(calendar.nearest(wish, self.now.date(), self.form.avoided), phrases.NONE_THEN)

    def take_message(self, *before: str) -> None:
        """Take a message instead of booking."""
        if self.phase in ("more", "recording"):
            self.form.forget("reason")
        self.form.wants_message = True
        self.ask_next(*before)

    def after_silence(self) -> None:
        """Ask again in other words, twice; at the third silence say goodbye."""
        self.form.silences += 1
        if self.form.silences > MAX_SILENCES:
            self.say_goodbye(phrases.SILENT_GOODBYE)
        else:
            self.ask_again(phrases.SILENCE[self.form.silences - 1])

    def miss(self, *wording: str) -> None:
        """Say that the caller was not understood. After a few times connect them, offer help or say goodbye."""
        self.form.misses += 1
        if self.form.misses >= MISSES_BEFORE_HELP and self.transfer_to:
            self.transfer(self.transfer_to, phrases.CONNECTING_AFTER_MISSES)
        elif self.form.misses > MAX_MISSES:
            self.say_goodbye(phrases.GIVE_UP)
        elif self.form.misses == MISSES_BEFORE_HELP and not self.form.wants_message:
            self.offer_help(phrases.CANNOT_FOLLOW)
        elif wording:
            self.ask_again(*wording)
        else:
            self.say(phrases.MISSED[self.phase])
            self.listen()

    def offer_help(self, *before: str, message: str = phrases.OFFER_MESSAGE) -> None:
        """Offer a person, or, if there is none, a message, with the question `message`."""
        if self.phase != "person":
            self.form.before = self.phase
        self.form.stuck = 0
        self.ask("person", *before, phrases.OFFER_PERSON if self.transfer_to else message)

    def go_back(self, *before: str) -> None:
        """Return to the phase in which a person was offered."""
        self.phase = self.form.before if self.form.before in GATHERS else "open"
        if self.phase in ("open", "person"):
            self.ask("open", *before, phrases.WHAT_CAN_I_DO)
        elif self.phase == "more":
            self.ask("more", *before, phrases.ANYTHING_ELSE)
        else:
            self.ask_next(*before)

    def transfer(self, to: str, wording: str) -> None:
        """Transfer the call to a person. If it comes back, the phase is as it was."""
        self.say(wording)
        self.form.is_away = True
        self.parts.append(Transfer(to, reason=self.form.reason or ""))

    def record(self, wording: str) -> None:
        """Have the caller leave a message for the people."""
        self.phase, self.form.is_away = "recording", True
        self.say(wording, phrases.AFTER_THE_TONE)
        self.parts.append(Record())

    def say_goodbye(self, wording: str) -> None:
        """Say goodbye and hang up."""
        self.phase = "done"
        self.say(wording)
        self.parts.append(HangUp())
