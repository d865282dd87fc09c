"""Conversations with the receptionist: what callers say, and what comes of it."""

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from orchestrator.agents.appointments.look_up import free_times
from orchestrator.agents.receptionist import Receptionist
from orchestrator.conversation.actions import Gather, HangUp, StartActivity, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn, TurnKind

MONDAY = datetime(2026, 11, 23, 9, 30)


class Call:
    """A call to the receptionist. Each turn is answered by a new object, from state that went through JSON.

    A look-up of the calendar ends at once: its result is part of the answer.
    """

    def __init__(self, transfer_to: str | None = None, now: datetime = MONDAY) -> None:
        self.make: Callable[[], Receptionist] = lambda: Receptionist(transfer_to, clock=lambda: now)
        self.state = ConversationState(call_sid="CA1", from_number="+1 (555) 000-1111")
        self.actions: list[Any] = []
        self._numbers = itertools.count()

    async def turn(self, kind: TurnKind, text: str = "", **fields: Any) -> str:
        turn = Turn(turn_id=str(next(self._numbers)), call_sid="CA1", kind=kind, text=text, **fields)
        parts = [part async for part in self.make().reply(turn, self.state)]
        self.actions = [part for part in parts if not isinstance(part, str)]
        self.state = ConversationState.model_validate_json(self.state.model_dump_json())
        said = "".join(part for part in parts if isinstance(part, str)).strip()
        started = next((action for action in self.actions if isinstance(action, StartActivity)), None)
        if started is None:
            return said
        result = await free_times(**started.args, answer_seconds=0)
        return f"{said} {await self.turn('activity', started.name, data={'result': result})}"

    async def say(self, *texts: str) -> str:
        """Say one thing after another; the last answer."""
        return [await self.turn("speech", text) for text in texts][-1]

    async def key(self, digits: str) -> str:
        return await self.turn("keys", digits, digits=digits)

    @property
    def slots(self) -> dict[str, Any]:
        return self.state.slots

    @property
    def has_ended(self) -> bool:
        return any(isinstance(action, HangUp) for action in self.actions)


@pytest.fixture
async def call() -> Call:
    call = Call()
    await call.turn("started")
    return call


@pytest.fixture
async def ready(call: Call) -> Call:
    """A call in which everything was told but the time."""
    await call.say("I'm Ann Lee, my number is 555 123 4567, I'd like a check-up")
    return call


@pytest.mark.parametrize(("hour", "greeting"), [(8, "Good morning"), (14, "Good afternoon"), (19, "Good evening")])
async def test_it_greets_by_the_hour_and_asks_what_it_can_do(hour: int, greeting: str) -> None:
    said = await Call(now=MONDAY.replace(hour=hour)).turn("started")
    assert said.startswith(greeting)
    assert said.endswith("What can I do for you?")


async def test_an_appointment_is_made_step_by_step(call: Call) -> None:
    assert "name" in await call.say("I'd like an appointment")
    assert "number" in await call.say("Ann Lee")
    said = await call.say("five five five, one two three, double four oh six")
    assert "5 5 5, 1 2 3, 4 4 0 6" in said
    assert "Tuesday the twenty-fourth at ten in the morning" in await call.say("my tooth hurts")
    said = await call.say("the second one")
    for told in (
        "Ann Lee",
        "5 5 5, 1 2 3, 4 4 0 6",
        "your tooth hurts",
        "Wednesday the twenty-fifth",
        "Is that right?",
    ):
        assert told in said
    assert "you are booked for Wednesday the twenty-fifth at half past ten" in await call.say("yes")
    assert not call.has_ended
    assert "See you on Wednesday" in await call.say("no, thank you")
    assert call.has_ended
    assert call.slots["appointment"] == "2026-11-25T10:30:00"


async def test_several_answers_in_one_breath_are_all_taken(ready: Call) -> None:
    assert (ready.slots["name"], ready.slots["number"], ready.slots["reason"]) == (
        "Ann Lee",
        "5551234567",
        "a check-up",
    )
    assert ready.state.phase == "appointment"


async def test_a_name_given_with_the_wish_is_not_taken_for_the_reason(call: Call) -> None:
    await call.say("I would like an appointment, I am Bob Stone")
    assert call.slots["name"] == "Bob Stone"
    assert not call.slots.get("reason")


async def test_everything_can_be_keyed_that_has_keys(call: Call) -> None:
    await call.say("an appointment please", "Ann Lee")
    await call.key("5551234567")
    await call.say("a check-up")
    assert call.actions == [g for g in call.actions if isinstance(g, Gather) and g.num_digits == 1]
    await call.key("3")
    assert call.slots["appointment"].startswith("2026-11-26")
    await call.key("1")
    assert call.slots["is_booked"] is True
    await call.key("2")
    assert call.has_ended


async def test_a_number_may_come_in_pieces_or_be_the_callers_own(call: Call) -> None:
    await call.say("an appointment", "Ann")
    assert "5 5 5 so far" in await call.say("triple five")
    await call.say("one two three four")
    assert call.slots["number"] == "5551234"
    await call.say("no, change that", "the number I'm calling from")
    assert call.slots["number"] == "15550001111"


@pytest.mark.parametrize(
    ("said", "appointment"),
    [
        ("the first", "2026-11-24T10:00:00"),
        ("the last one please", "2026-11-26T15:00:00"),
        ("tomorrow", "2026-11-24T10:00:00"),
        ("Tuesday at ten", "2026-11-24T10:00:00"),
        ("Thursday at 2 p.m.", "2026-11-26T14:00:00"),
        ("half past three on Thursday", "2026-11-26T15:30:00"),
        ("the day after tomorrow", "2026-11-25T10:30:00"),
        ("I don't mind, any of them", "2026-11-24T10:00:00"),
    ],
)
async def test_a_time_can_be_chosen_in_many_ways(ready: Call, said: str, appointment: str) -> None:
    await ready.say(said)
    assert (ready.slots.get("appointment"), ready.state.phase) == (appointment, "confirm")


async def test_other_times_are_offered_on_request(ready: Call) -> None:
    first = ready.slots["offered"]
    await ready.say("none of those")
    later = ready.slots["offered"]
    assert min(later) > max(first)
    await ready.say("something earlier")
    assert max(ready.slots["offered"]) < min(later)
    assert "Friday" in await ready.say("Friday morning")
    assert all(slot.startswith("2026-11-27T") for slot in ready.slots["offered"])
    assert "nothing free then" in await ready.say("Saturday at three")
    assert "nothing earlier" in await ready.say(
        "tomorrow at nine thirty", "change the time", "earlier", "earlier", "earlier"
    )


@pytest.mark.parametrize(
    ("said", "field", "value"),
    [
        (["no, my name is Bob Ray"], "name", "Bob Ray"),
        (["no, change the number", "555 999 8888"], "number", "5559998888"),
        (["that's wrong", "the reason", "a cleaning"], "reason", "a cleaning"),
        (["no", "the time", "Friday at ten"], "appointment", "2026-11-27T10:00:00"),
        (["change the time to Friday at ten"], "appointment", "2026-11-27T10:00:00"),
    ],
)
async def test_what_was_read_back_can_be_corrected(ready: Call, said: list[str], field: str, value: str) -> None:
    await ready.say("the first", *said)
    assert (ready.slots[field], ready.state.phase) == (value, "confirm")
    assert ready.slots.get("is_booked") is None


async def test_a_booking_can_be_changed_before_the_call_ends(ready: Call) -> None:
    await ready.say("the first", "yes", "oh, change the time")
    assert "is_booked" not in ready.slots
    await ready.say("the third", "yes")
    assert ready.slots["is_booked"] is True


@pytest.mark.parametrize("said", ["pardon?", "Can you repeat that?", "Sorry, what was that?", "say that again please"])
async def test_it_repeats_the_question(ready: Call, said: str) -> None:
    assert "I have Tuesday the twenty-fourth" in await ready.say(said)
    assert "I have Tuesday the twenty-fourth" in await ready.key("*")


async def test_two_silences_are_borne_and_the_third_ends_the_call(call: Call) -> None:
    first, second = await call.turn("silence"), await call.turn("silence")
    assert first != second
    assert not call.has_ended
    await call.say("an appointment")
    assert "name" in await call.turn("silence"), "counted from the start again"
    await call.turn("silence")
    assert "Goodbye" in await call.turn("silence")
    assert call.has_ended


@pytest.mark.parametrize("said", ["a person please", "Can I talk to someone?", "put me through to an operator"])
async def test_a_person_is_got_where_there_is_one(said: str) -> None:
    call = Call(transfer_to="+15557654321")
    await call.turn("started")
    await call.say(said)
    assert [action.to for action in call.actions if isinstance(action, Transfer)] == ["+15557654321"]
    await call.say("hello again, I'd like an appointment")
    assert call.state.phase == "name", "a call that comes back goes on"


async def test_without_a_person_a_message_is_taken(call: Call) -> None:
    assert "nobody I can put you through to" in await call.say("a person please")
    await call.say("Jane Doe", "555 1234")
    said = await call.say("Tell Bob that I can't come on Friday.")
    assert "Your message: Tell Bob that you can't come on Friday" in said
    assert "call you back" in await call.say("yes")
    assert "appointment" not in call.slots


async def test_an_earlier_booking_becomes_a_message(call: Call) -> None:
    assert "can't see earlier bookings" in await call.say("I need to cancel my appointment")
    assert call.slots["wants_message"] is True


async def test_it_says_what_it_is(call: Call) -> None:
    assert "a program" in await call.say("Are you a robot?")


async def test_bye_ends_the_call_at_any_time(ready: Call) -> None:
    assert "Goodbye" in await ready.say("bye")
    assert ready.has_ended


async def test_an_unsure_recogniser_is_asked_again_and_one_without_confidence_is_not(call: Call) -> None:
    await call.say("an appointment")
    assert "not very clear" in await call.turn("speech", "Ann Lee", confidence=0.2)
    assert "name" not in call.slots
    await call.turn("speech", "Ann Lee", confidence=0.0)
    assert call.slots["name"] == "Ann Lee"


async def test_who_is_never_understood_is_connected_or_told_goodbye() -> None:
    for transfer_to, turns in (("+15557654321", 3), (None, 6)):
        call = Call(transfer_to)
        await call.turn("started")
        for _ in range(turns):
            assert not call.has_ended
            await call.say("hm")
        assert isinstance(call.actions[-1], Transfer if transfer_to else HangUp)


async def test_only_misses_in_a_row_count(call: Call) -> None:
    for _ in range(4):
        await call.say("hm", "hm", "pardon?")
    assert not call.has_ended


async def test_a_call_that_begins_with_words_is_greeted_and_answered() -> None:
    said = await Call().say("I'd like an appointment")
    assert said.startswith("Good morning")
    assert "name" in said


async def test_a_call_that_starts_again_goes_on_where_it_was(ready: Call) -> None:
    said = await ready.turn("started")
    assert said.startswith("Hello again. I have Tuesday")


@pytest.mark.parametrize(
    "said", ["I'm calling about a bill", "I am tired", "it's urgent", "this is terrible", "I'm not sure", "hello there"]
)
async def test_not_everything_after_i_am_is_a_name(call: Call, said: str) -> None:
    await call.say(said)
    assert "name" not in call.slots


async def test_it_speaks_in_sentences(ready: Call) -> None:
    turn = Turn(turn_id="x", call_sid="CA1", kind="speech", text="the first")
    parts = [part async for part in ready.make().reply(turn, ready.state)]
    texts = [part for part in parts if isinstance(part, str)]
    assert texts[0] == "Very good."
    assert all(text.startswith(" ") for text in texts[1:])
    assert len(texts) == 7


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("um, it's John, John Smith", "John Smith"),
        ("my name is spelled Jon", "Jon"),
        ("Smith, John Smith", "John Smith"),
    ],
)
async def test_a_name_is_taken_as_callers_say_it_twice_or_spell_it(call: Call, said: str, name: str) -> None:
    await call.say("an appointment please", said)
    assert call.slots["name"] == name


@pytest.mark.parametrize(
    "said", ["why do you need my number?", "what do you want the number for", "I won't give my number"]
)
async def test_who_asks_about_the_number_has_not_given_it(call: Call, said: str) -> None:
    await call.say("an appointment please", "Ann Lee")
    assert "so that we can reach you" in await call.say(said)
    assert call.state.phase == "number"
    assert "number" not in call.slots


@pytest.mark.parametrize("said", ["which day was that?", "what was the time again", "when is it"])
async def test_what_was_read_back_is_told_again_on_request(ready: Call, said: str) -> None:
    await ready.say("the second one")
    assert "Wednesday the twenty-fifth at half past ten" in await ready.say(said)
    assert ready.state.phase == "confirm"
    await ready.say("yes")
    assert "Wednesday the twenty-fifth at half past ten" in await ready.say(said)
    assert ready.slots["is_booked"]


@pytest.mark.parametrize("said", ["that works", "works for me", "that is fine", "that's great", "that'll be fine"])
async def test_agreement_has_many_words(ready: Call, said: str) -> None:
    await ready.say("the second one")
    assert "you are booked" in await ready.say(said)


@pytest.mark.parametrize(
    "said", ["Are you open on Saturdays?", "how much does a consultation cost", "do you take new patients?"]
)
async def test_a_question_it_cannot_answer_becomes_a_message(call: Call, said: str) -> None:
    assert "I can't answer that" in await call.say(said)
    assert call.slots["wants_message"]
    assert call.slots["reason"]


@pytest.mark.parametrize(
    "said", ["do you have anything on Friday?", "can I come in tomorrow?", "Is there an appointment free?"]
)
async def test_a_question_for_an_appointment_is_no_message(call: Call, said: str) -> None:
    await call.say(said)
    assert not call.slots.get("wants_message")


async def test_a_day_named_before_its_time_is_kept(call: Call) -> None:
    assert "name" in await call.say("an appointment please", "could I come in on Friday?")
    await call.say("Ann Lee", "555 123 4567")
    assert "Friday the twenty-seventh" in await call.say("a check-up")


async def test_a_booking_of_this_call_is_cancelled_on_request(ready: Call) -> None:
    await ready.say("the second one", "yes")
    assert "cancelled" in await ready.say("could you cancel it actually")
    assert "appointment" not in ready.slots
    assert "See you" not in await ready.say("no, bye")
