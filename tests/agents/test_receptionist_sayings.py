"""What callers say, and what is right: fifty sayings and more, and many ways to put each."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agents.appointments.office_clock import office_clock
from orchestrator.agents.loader import configured_agent
from orchestrator.agents.receptionist.dates import WEEKDAYS
from orchestrator.agents.receptionist.emergencies import is_emergency
from orchestrator.agents.receptionist.intents import number_in, plain
from orchestrator.agents.receptionist.names import name_in
from orchestrator.agents.receptionist.wishes import wish_in
from orchestrator.conversation.actions import Transfer
from orchestrator.settings import Settings

from .test_receptionist import MONDAY, Call

TUESDAY, WEDNESDAY, THURSDAY = "2026-11-24T10:00:00", "2026-11-25T10:30:00", "2026-11-26T15:00:00"
"""What is offered, on Monday the 23rd: the first, the second and the third."""
TAKEN = [
    ("the first", TUESDAY),
    ("the second one please", WEDNESDAY),
    ("the third", THURSDAY),
    ("the last one", THURSDAY),
    ("number two", WEDNESDAY),
    ("two", WEDNESDAY),
    ("the middle one", WEDNESDAY),
    ("not the first, the second", WEDNESDAY),
    ("the first, no wait, the third", THURSDAY),
    ("the first one. No, the second one.", WEDNESDAY),
    ("the second one but at eleven", "2026-11-25T11:00:00"),
    ("Wednesday, not Tuesday", WEDNESDAY),
    ("not Tuesday, Wednesday", WEDNESDAY),
    ("not Tuesday but Wednesday", WEDNESDAY),
    ("Tuesday? No, Wednesday.", WEDNESDAY),
    ("Tuesday, no wait, Wednesday", WEDNESDAY),
    ("Tuesday, I mean Wednesday", WEDNESDAY),
    ("Tuesday doesn't work, Wednesday does", WEDNESDAY),
    ("Tuesday is no good but Wednesday is fine", WEDNESDAY),
    ("I can't do Tuesday, how about Thursday", THURSDAY),
    ("could you do Wednesday instead of Tuesday", WEDNESDAY),
    ("Thursday rather than Friday", THURSDAY),
    ("tomorrow", TUESDAY),
    ("the day after tomorrow", WEDNESDAY),
    ("in three days", THURSDAY),
    ("the twenty-fourth", TUESDAY),
    ("Tuesday the 24th", TUESDAY),
    ("the 25th of November", WEDNESDAY),
    ("November twenty-sixth", THURSDAY),
    ("11/26", THURSDAY),
    ("tomorrow at half past ten", "2026-11-24T10:30:00"),
    ("Thursday at quarter to three, no, half past three", "2026-11-26T15:30:00"),
    ("Friday at 10 a.m.", "2026-11-27T10:00:00"),
    ("December first at half past nine", "2026-12-01T09:30:00"),
    ("the third of December at 9", "2026-12-03T09:00:00"),
    ("next Tuesday at two", "2026-12-01T14:00:00"),
    ("I don't mind, any of them", TUESDAY),
    ("Wednesday would be better than Tuesday", WEDNESDAY),
    ("the one on Thursday", THURSDAY),
    ("the 10:30 one", WEDNESDAY),
    ("tomorrow's fine", TUESDAY),
    ("tomorrow I can't, the day after", WEDNESDAY),
    ("I'd prefer Wednesday over Tuesday", WEDNESDAY),
    ("I prefer Wednesday to Tuesday", WEDNESDAY),
    ("if not Tuesday then Thursday", THURSDAY),
    ("the latest one", THURSDAY),
    ("whatever works", TUESDAY),
    ("you choose", TUESDAY),
    ("as soon as possible", TUESDAY),
    ("Tuesday isn't bad", TUESDAY),
    ("are you working on Tuesday?", TUESDAY),
]
NOT_TAKEN = [
    ("I can't do Tuesday", lambda slot: not slot.startswith("2026-11-24")),
    ("any day but Tuesday", lambda slot: not slot.startswith("2026-11-24")),
    ("any day except Tuesday or Wednesday", lambda slot: slot[:10] not in ("2026-11-24", "2026-11-25")),
    ("I'm busy on Tuesday", lambda slot: not slot.startswith("2026-11-24")),
    ("anything but the first", lambda slot: slot != TUESDAY),
    ("not before Thursday", lambda slot: slot >= "2026-11-26"),
    ("December first", lambda slot: slot.startswith("2026-12-01")),
    ("the third of December", lambda slot: slot.startswith("2026-12-03")),
    ("on the third", lambda slot: slot.startswith("2026-12-03")),
    ("next Tuesday", lambda slot: slot.startswith("2026-12-01")),
    ("a week from Friday", lambda slot: slot.startswith("2026-12-04")),
    ("the day after", lambda slot: slot.startswith("2026-11-27")),
    ("sometime next week", lambda slot: "2026-11-30" <= slot < "2026-12-05"),
    ("not in the morning", lambda slot: slot[11:] >= "12"),
    ("after three", lambda slot: slot[11:] >= "15"),
    ("I can't come before noon", lambda slot: slot[11:] >= "12"),
    ("is there anything earlier than ten?", lambda slot: slot[11:] < "10"),
    ("do you have something at the weekend", lambda slot: slot.startswith("2026-11-27")),
    ("neither", lambda slot: slot > THURSDAY),
    ("Tuesday the eighth", lambda slot: slot > "2026-12-01"),
    ("any day besides Tuesday works", lambda slot: not slot.startswith("2026-11-24")),
    ("anything apart from Tuesday", lambda slot: not slot.startswith("2026-11-24")),
    ("I have work on Tuesday", lambda slot: not slot.startswith("2026-11-24")),
    ("I'm working Tuesday", lambda slot: not slot.startswith("2026-11-24")),
    ("I'm away on Tuesday", lambda slot: not slot.startswith("2026-11-24")),
    ("can we skip Tuesday", lambda slot: not slot.startswith("2026-11-24")),
    ("I'm on holiday until Thursday", lambda slot: slot >= "2026-11-27"),
    ("between two and four", lambda slot: "14:00" <= slot[11:16] <= "16:00"),
    ("from two to four", lambda slot: "14:00" <= slot[11:16] <= "16:00"),
    ("between Wednesday and Thursday", lambda slot: slot[:10] in ("2026-11-25", "2026-11-26")),
    ("the first or the second", lambda slot: slot in (TUESDAY, WEDNESDAY)),
    ("27.11.", lambda slot: slot.startswith("2026-11-27")),
    ("a week on Tuesday", lambda slot: slot.startswith("2026-12-01")),
    ("a week tomorrow", lambda slot: slot.startswith("2026-12-01")),
    ("in a fortnight", lambda slot: slot.startswith("2026-12-07")),
    ("first thing in the morning", lambda slot: slot[11:] < "12"),
    ("sorry, what was the second one", lambda slot: slot in (TUESDAY, WEDNESDAY, THURSDAY)),
    ("what's the first one?", lambda slot: slot in (TUESDAY, WEDNESDAY, THURSDAY)),
    ("I don't like any of them", lambda slot: slot > THURSDAY),
    ("on Tuesday my son has school", lambda slot: not slot.startswith("2026-11-24")),
    ("starting Thursday", lambda slot: slot >= "2026-11-26"),
    ("this afternoon", lambda slot: slot.startswith("2026-11-24")),
    ("both are bad", lambda slot: slot > THURSDAY),
]
NAMES = [
    ("Mr. Thomas Anderson", "Thomas Anderson"),
    ("mister Thomas Anderson", "Thomas Anderson"),
    ("Dr. Smith", "Dr. Smith"),
    ("T H O M A S", "Thomas"),
    ("T-H-O-M-A-S", "Thomas"),
    ("T. H. O. M. A. S.", "Thomas"),
    ("Sam, S as in Sam, A, M", "Sam"),
    ("S as in Sierra, A as in Alpha, M as in Mike", "Sam"),
    ("Thomas Anderson, that's A N D E R S E N", "Thomas Andersen"),
    ("double L O Y D", "Lloyd"),
    ("Anne-Marie Smith-Jones", "Anne-Marie Smith-Jones"),
    ("Mary Jane van der Berg", "Mary Jane van der Berg"),
    ("Juan de la Cruz", "Juan de la Cruz"),
    ("Seán O'Brien", "Seán O'Brien"),
    ("J. R. R. Tolkien", "J R R Tolkien"),
    ("Will Smith", "Will Smith"),
    ("John, no, Joan", "Joan"),
    ("Ann Lee, thanks", "Ann Lee"),
    ("Smith, John", "John Smith"),
    ("first name John, last name Smith", "John Smith"),
    ("last name is Smith, first name is John", "John Smith"),
    ("Peter, not Paul", "Peter"),
    ("not Paul, Peter", "Peter"),
    ("sorry, Peter", "Peter"),
    ("Bond. James Bond.", "James Bond"),
    ("I'm called Bob", "Bob"),
    ("Catherine with a C", "Catherine"),
    ("Jon without an h", "Jon"),
    ("Smith hyphen Jones", "Smith-Jones"),
    ("St. John", "St John"),
    ("Tom Smith from Acme", "Tom Smith"),
    ("Ann Lee and my number is 555 123 4567", "Ann Lee"),
    ("May", "May"),
    ("no, later", None),
    ("none of your business", None),
    ("uh", None),
    ("shut up", None),
    ("will you stop", None),
]
NUMBERS = [
    ("plus four six eight one two three four five six seven", "4681234567"),
    ("+1 (555) 123-4567", "15551234567"),
    ("double oh four four, triple five, one two three four", "00445551234"),
    ("one eight hundred five five five one two one two", "18005551212"),
    ("five five five, no, five five six, one two three four", "5561234"),
    ("555 123 4567. No, 555 123 4568.", "5551234568"),
    ("+44 (0)20 7946 0958", "442079460958"),
    ("quadruple five one two three", "5555123"),
    ("12/03/1985", None),
    ("1985-03-12", None),
    ("it's 555-123-4567 extension 12", "5551234567"),
    ("ann1234567@example.com", None),
    ("ann one two three four five six seven at example dot com", None),
    ("write to ann at example dot co dot uk, or call 555 123 4567", "5551234567"),
]
EMERGENCIES = [
    "I think I am having a heart attack",
    "my husband is unconscious",
    "she can't breathe",
    "call an ambulance",
    "my chest feels tight",
    "there is a pressure in my chest",
    "I'm struggling to breathe",
    "she is short of breath",
    "I'm bleeding",
    "there's blood everywhere",
    "the bleeding won't stop",
    "I don't want to live anymore",
    "I am going to hurt myself",
    "I took too many pills",
    "my baby swallowed a battery",
    "I don't know what to do, he won't wake up",
    "my wife fainted",
    "half of his face is numb",
    "there's been a car accident",
    "he has no pulse",
    "my throat is swelling",
    "someone is breaking in",
    "I smell gas",
    "nine one one",
    "it's no emergency, but my chest hurts",
]

NO_EMERGENCIES = [
    "it's not an emergency",
    "I don't have chest pain",
    "I'm not bleeding",
    "my gums are bleeding",
    "I'm dying to see the doctor",
    "a check-up after my heart attack",
    "he had a stroke last year",
    "I can't move my appointment",
    "my tooth has broken in half",
    "my emergency contact is my wife",
]


@pytest.fixture
async def ready() -> Call:
    call = Call()
    await call.turn("started")
    await call.say("I'm Ann Lee, my number is 555 123 4567, I'd like a check-up")
    return call


@pytest.mark.parametrize(("said", "appointment"), TAKEN)
async def test_the_appointment_that_is_meant_is_taken(ready: Call, said: str, appointment: str) -> None:
    await ready.say(said)
    assert (ready.slots.get("appointment"), ready.state.phase) == (appointment, "confirm")


@pytest.mark.parametrize(("said", "may_be"), NOT_TAKEN)
async def test_what_leaves_a_choice_is_offered(ready: Call, said: str, may_be: Any) -> None:
    await ready.say(said)
    assert ready.state.phase == "appointment"
    assert ready.slots["offered"]
    assert [slot for slot in ready.slots["offered"] if not may_be(slot)] == []


async def test_a_day_that_was_refused_is_not_offered_again_unless_it_is_named(ready: Call) -> None:
    await ready.say("I can't do Thursday", "something later", "something earlier")
    assert not any(slot.startswith("2026-11-26") for slot in ready.slots["offered"])
    await ready.say("okay, Thursday at three then")
    assert ready.slots["appointment"] == THURSDAY


@pytest.mark.parametrize(
    ("said", "appointment"),
    [
        ("yes but at eleven", "2026-11-24T11:00:00"),
        ("no, the second one", WEDNESDAY),
        ("actually make it Wednesday", WEDNESDAY),
        ("yes, Tuesday at ten", TUESDAY),
        ("one", TUESDAY),
        ("uh huh", TUESDAY),
    ],
)
async def test_a_yes_is_one_only_if_nothing_else_is_wanted(ready: Call, said: str, appointment: str) -> None:
    await ready.say("the first", said)
    assert ready.slots["appointment"] == appointment
    assert bool(ready.slots.get("is_booked")) is (appointment == TUESDAY)


async def test_the_third_may_be_a_day_or_an_offer_and_is_asked_for() -> None:
    call = Call(now=MONDAY.replace(month=12, day=1))  # offers are for the second, the third and the fourth
    await call.turn("started")
    await call.say("I'm Ann Lee, my number is 555 123 4567, I'd like a check-up")
    assert "Just to be sure" in await call.say("the third")
    await call.say("Thursday")
    assert call.slots["appointment"].startswith("2026-12-03")


@pytest.mark.parametrize(("said", "name"), NAMES)
def test_names_are_taken_as_they_are_said_and_spelled(said: str, name: str | None) -> None:
    assert name_in(said, is_expected=True) == name


@pytest.mark.parametrize(("said", "number"), NUMBERS)
def test_numbers_are_taken_as_they_are_said(said: str, number: str | None) -> None:
    assert number_in(said) == number


async def test_a_number_that_is_said_goes_before_the_one_that_calls() -> None:
    call = Call()
    await call.turn("started")
    await call.say("an appointment", "Ann Lee", "my number is double five five, one two three four")
    assert call.slots["number"] == "5551234"
    await call.say("change the number", "the one I'm calling from")
    assert call.slots["number"] == "15550001111"


@pytest.mark.parametrize("said", NO_EMERGENCIES)
def test_who_tells_of_no_danger_is_not_warned(said: str) -> None:
    assert not is_emergency(plain(said))


@pytest.mark.parametrize("said", EMERGENCIES)
@pytest.mark.parametrize("before", [[], ["an appointment"], ["an appointment", "Ann Lee", "5551234567"]])
async def test_who_is_in_danger_hears_the_emergency_number_first(said: str, before: list[str]) -> None:
    call = Call(transfer_to="+15557654321")
    await call.turn("started")
    await call.say(*before, "hello") if before else None
    answer = await call.say(said)
    assert "call 9 1 1" in answer
    assert "connect you" in answer
    await call.say("yes please")
    assert [type(action) for action in call.actions] == [Transfer]


async def test_who_is_in_no_danger_goes_on(ready: Call) -> None:
    await ready.say("it is an emergency", "no")
    assert ready.state.phase == "appointment"


@pytest.mark.parametrize("said", ["hm", "uh", "um...", "Saturday", "yes", "what the fuck"])
@pytest.mark.parametrize("transfer_to", ["+15557654321", None])
async def test_no_misunderstanding_repeats_for_ever(said: str, transfer_to: str | None) -> None:
    call = Call(transfer_to)
    await call.turn("started")
    await call.say("I'm Ann Lee, my number is 555 123 4567, I'd like a check-up")
    answers = [await call.say(said) for _ in range(4)]
    offers = ("colleague", "take a message")
    assert any(offer in answer for answer in answers for offer in offers), answers


async def test_anger_is_met_with_calm_and_is_no_name() -> None:
    call = Call()
    await call.turn("started")
    await call.say("an appointment")
    assert "I'm sorry about this" in await call.say("fuck off")
    assert "name" not in call.slots


@pytest.mark.parametrize("said", ["no wait", "hold on", "just a moment please"])
async def test_who_wants_time_gets_it(ready: Call, said: str) -> None:
    assert await ready.say(said) == "Of course. Take your time."
    await ready.say("the second")
    assert ready.slots["appointment"] == WEDNESDAY


@pytest.mark.parametrize("said", ["could I speak to someone", "is anybody there", "get me a human", "put me through"])
async def test_a_person_is_asked_for_in_many_ways(said: str) -> None:
    call = Call(transfer_to="+15557654321")
    await call.turn("started")
    await call.say(said)
    assert [type(action) for action in call.actions] == [Transfer]


@pytest.mark.parametrize("said", ["I want to see the doctor", "I need an appointment for next Tuesday"])
async def test_not_every_wish_is_for_a_person_or_a_reason(said: str) -> None:
    call = Call(transfer_to="+15557654321")
    await call.turn("started")
    await call.say(said)
    assert (call.state.phase, call.slots.get("reason")) == ("name", None)


days = st.sampled_from([day.capitalize() for day in WEEKDAYS[:5]])
REFUSALS = [
    "I can't do {0}", "not {0}", "any day but {0}", "{0} doesn't work", "{0} is no good for me", "anything except {0}",
    "I'm not free on {0}", "{0} won't do", "I don't want to come on {0}", "{0}? I can't", "please not {0}s",
    "I'm busy {0}", "no {0}s please", "I'd rather not come {0}", "{0} is impossible",
]  # fmt: skip
CORRECTIONS = [
    "{1}, not {0}", "not {0}, {1}", "not {0} but {1}", "{0}, no wait, {1}", "{0}, sorry, {1}", "{0}. No, {1}.",
    "I can't do {0} but {1} is fine", "{0} doesn't work, {1} does", "{1} instead of {0}", "{1} rather than {0}",
    "{0}, I mean {1}", "{0} is bad, what about {1}", "actually {1}, I can't do {0}", "could it be {1}? {0} is no good",
]  # fmt: skip


@given(days, st.sampled_from(REFUSALS), st.sampled_from(["", "um, ", "sorry, ", "well "]))
def test_a_day_that_is_refused_is_never_wished_for(day: str, refusal: str, before: str) -> None:
    wish = wish_in(before + refusal.format(day), MONDAY.date())
    assert {named.strftime("%A") for named in wish.avoided_days} == {day}
    assert wish.day is None


@given(st.lists(days, min_size=2, max_size=2, unique=True), st.sampled_from(CORRECTIONS))
def test_of_two_days_the_wanted_one_is_understood(both: list[str], correction: str) -> None:
    wish = wish_in(correction.format(*both), MONDAY.date())
    assert wish.day is not None
    assert wish.day.strftime("%A") == both[1]
    assert not wish.days


@given(st.dates(MONDAY.date(), MONDAY.date().replace(year=2027)))
def test_a_date_is_understood_however_it_is_put(day: Any) -> None:
    for said in (
        f"{day:%B} {day.day}",
        f"the {day.day}th of {day:%B}",
        f"{day:%A}, {day:%b} {day.day}",
        f"{day:%Y-%m-%d}",
    ):
        assert wish_in(said, MONDAY.date()).day == day, said


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "Europe/Stockholm"])
def test_the_office_goes_by_its_own_time(zone: str) -> None:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    assert abs((office_clock(zone) - datetime.now(ZoneInfo(zone)).replace(tzinfo=None)).total_seconds()) < 60
    agent = configured_agent(Settings(_env_file=None, time_zone=zone, emergency_number="112"))
    assert agent.name == "receptionist"


@pytest.mark.parametrize(
    ("name", "value"), [("time_zone", "Mars/Olympus"), ("time_zone", "../x"), ("emergency_number", "help")]
)
def test_a_zone_or_number_that_cannot_be_meant_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        Settings(_env_file=None, **{name: value})


async def test_a_number_that_was_read_back_wrong_is_corrected_and_is_no_reason() -> None:
    call = Call()
    await call.turn("started")
    await call.say("an appointment", "Ann Lee", "555 123 4567", "no, it's 555 123 4568")
    assert (call.slots["number"], call.slots.get("reason"), call.state.phase) == ("5551234568", None, "reason")


async def test_what_is_to_be_passed_on_is_a_message() -> None:
    call = Call()
    await call.turn("started")
    await call.say("tell the doctor I'll be late", "Ann Lee", "555 123 4567")
    assert (call.slots["reason"], call.state.phase) == ("tell the doctor I'll be late", "confirm")
    assert call.slots["wants_message"]


async def test_a_name_and_a_number_in_one_breath_are_both_taken() -> None:
    call = Call()
    await call.turn("started")
    await call.say("an appointment", "Ann Lee and my number is 555 123 4567")
    assert (call.slots["name"], call.slots["number"]) == ("Ann Lee", "5551234567")


@pytest.mark.parametrize("said", ["cancel", "I don't want an appointment any more"])
async def test_who_wants_no_appointment_after_all_gets_none(ready: Call, said: str) -> None:
    await ready.say(said)
    assert (ready.state.phase, ready.slots.get("appointment")) == ("more", None)


@pytest.mark.parametrize("said", ["transfer me", "I don't want to talk to a machine", "reception please"])
async def test_who_wants_no_program_gets_a_person(said: str) -> None:
    call = Call(transfer_to="+15557654321")
    await call.turn("started")
    await call.say(said)
    assert [type(action) for action in call.actions] == [Transfer]
