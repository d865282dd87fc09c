"""The receptionist in turns that no words of the caller begin, and in what it does meanwhile."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from orchestrator.agents.appointments.look_up import free_times
from orchestrator.agents.protocol import Agent, Part
from orchestrator.agents.receptionist import Receptionist
from orchestrator.conversation.actions import (
    CancelTimer,
    Gather,
    HangUp,
    Record,
    SendMessage,
    SetTimer,
    StartActivity,
    Transfer,
)
from orchestrator.testing.agent_call import AgentCall

MONDAY = datetime(2026, 11, 23, 9, 30)
COLLEAGUE = "+15557654321"
CALLER = "+15558675310"
OFFERS = "I have Tuesday the twenty-fourth at ten in the morning, Wednesday the twenty-fifth at half past ten"
ALL = "I'm Ann Lee, my number is 555 123 4567, I'd like a check-up"

NewCall = Callable[..., AgentCall]


@pytest.fixture
def call_of(agent_call: NewCall) -> NewCall:
    """A call to the receptionist that has begun."""

    def begin(*said: str, can_text: bool = True, **fields: Any) -> AgentCall:
        receptionist = Receptionist(COLLEAGUE, clock=lambda: MONDAY, can_text=can_text)
        agent = Agent("receptionist", receptionist.reply, speech_filter=False)
        call = agent_call(agent, **{"from_number": CALLER, **fields})
        call.begin()
        for text in said:
            call.say(text)
        return call

    return begin


def text_of(parts: list[Part]) -> str:
    return "".join(part for part in parts if isinstance(part, str))


def kinds_of(parts: list[Part]) -> list[type]:
    return [type(part) for part in parts if not isinstance(part, str)]


def looked_up(call: AgentCall) -> list[Part]:
    """The calendar answers, at once."""
    asked = [it for record in call.state.turns for it in record.reply.actions if isinstance(it, StartActivity)]
    return call.end_activity("calendar", asyncio.run(free_times(**asked[-1].args, answer_seconds=0)))


# The calendar.


def test_it_talks_on_while_the_calendar_is_looked_up_and_tells_the_result_by_itself(call_of: NewCall) -> None:
    call = call_of("an appointment about my knee", "Ann Lee")
    answer = call.say("555 123 4567")
    assert isinstance(answer[0], StartActivity), "before the words, so that it holds if they are cut off"
    assert text_of(answer).endswith("Let me look at the calendar. Are you a patient of ours?")
    assert text_of(call.say("Yes, since May.")) == "Thank you."
    assert text_of(call.say("Nice weather, isn't it?")) == "I'm almost there."
    assert text_of(call.stay_silent()) == "It won't be long now."
    result = looked_up(call)
    assert OFFERS in text_of(result)
    assert isinstance(result[-1], Gather)
    call.stay_silent()  # the provider fetches it
    assert "Wednesday the twenty-fifth" in text_of(call.say("the second one"))
    assert call.state.phase == "confirm"


def test_the_calendar_is_looked_up_once(call_of: NewCall) -> None:
    call = call_of(ALL)
    looked_up(call)
    call.stay_silent()
    for said in ("none of those", "the first", "no, the time", "on Friday at ten"):
        assert StartActivity not in kinds_of(call.say(said))
    assert call.state.slots["appointment"].startswith("2026-11-27")


def test_a_day_that_was_named_before_or_meanwhile_is_what_is_offered(call_of: NewCall) -> None:
    before = call_of("could I come in on Friday?", "Ann Lee", "555 123 4567", "a check-up")
    assert "Friday the twenty-seventh" in text_of(looked_up(before))
    meanwhile = call_of(ALL)
    assert text_of(meanwhile.say("Friday would be best")) == "I'll look for a time then."
    assert "Friday the twenty-seventh" in text_of(looked_up(meanwhile))


def test_words_that_crossed_the_offers_answer_what_was_asked_before(call_of: NewCall) -> None:
    call = call_of(ALL)
    looked_up(call)
    crossed = call.say("No, not yet.")
    assert (text_of(crossed), kinds_of(crossed)) == ("", [Gather]), "the offers come before this reply"
    assert (call.state.phase, call.state.slots["is_patient"]) == ("appointment", False)
    assert "Tuesday the twenty-fourth" in text_of(call.say("the first"))
    assert "please come ten minutes early" in text_of(call.say("yes"))


def test_words_that_crossed_the_offers_may_wish_something_else(call_of: NewCall) -> None:
    call = call_of(ALL)
    looked_up(call)
    assert "Friday the twenty-seventh" in text_of(call.say("only on Friday please"))
    assert call.state.phase == "appointment"


def test_on_a_relay_offers_that_were_cut_off_are_told_again(call_of: NewCall) -> None:
    call = call_of(ALL, channel="relay")
    looked_up(call)
    call.interrupt("Thank you for")
    assert OFFERS in text_of(call.say("Yes."))
    assert "Wednesday the twenty-fifth" in text_of(call.say("the second one"))


def test_on_a_relay_offers_that_were_heard_are_answered(call_of: NewCall) -> None:
    call = call_of(ALL, channel="relay")
    looked_up(call)
    assert "You are coming on Tuesday" in text_of(call.say("the first"))


def test_over_the_api_nobody_hears_what_is_said_by_itself_so_the_answer_has_the_offers(call_of: NewCall) -> None:
    call = call_of(channel="api")
    answer = call.say(ALL)
    assert OFFERS in text_of(answer)
    assert kinds_of(answer) == [Gather]


def test_a_calendar_that_is_away_is_said_and_a_message_is_taken(call_of: NewCall) -> None:
    call = call_of(ALL)
    told = text_of(call.fail_activity("calendar", "TimeoutError"))
    assert told.startswith("I'm sorry, I can't see our calendar right now.")
    assert call.state.slots["wants_message"]
    call.stay_silent()
    assert "somebody will call you back" in text_of(call.say("yes"))


@pytest.mark.parametrize("result", [None, "Tuesday", ["soon"], [], 7])
def test_a_result_that_is_no_list_of_times_is_a_failure(call_of: NewCall, result: Any) -> None:
    assert "can't see our calendar" in text_of(call_of(ALL).end_activity("calendar", result))


def test_a_look_up_that_never_ends_is_given_up(call_of: NewCall) -> None:
    call = call_of(ALL)
    for _ in range(6):
        assert "message" not in text_of(call.stay_silent())
    assert "can't see our calendar" in text_of(call.stay_silent())
    assert call.state.activities == {}


def test_a_look_up_whose_turn_was_lost_is_begun_again(call_of: NewCall) -> None:
    call = call_of(ALL)
    call.state.activities.clear()
    assert StartActivity in kinds_of(call.say("yes"))
    assert OFFERS in text_of(looked_up(call))


def test_who_talks_of_something_else_is_offered_the_result_later(call_of: NewCall) -> None:
    call = call_of(ALL)
    call.say("no, change the number")
    assert call.state.phase == "number"
    assert looked_up(call) == []
    assert OFFERS in text_of(call.say("555 999 8888"))


# Somebody else.


def test_who_is_not_understood_three_times_is_connected_and_leaves_a_message_if_nobody_answers(
    call_of: NewCall,
) -> None:
    call = call_of("hm", "hm")
    assert isinstance(call.say("hm")[-1], Transfer)
    back = call.return_from_transfer("no-answer")
    assert text_of(back).startswith("I'm sorry, nobody can take your call right now. Please leave a message")
    assert back[-1] == Record()
    assert "somebody will call you back" in text_of(call.record(12, "https://example.com/1"))
    assert call.state.slots["recordings"] == ["https://example.com/1"]
    assert isinstance(call.say("no thanks")[-1], HangUp)


@pytest.mark.parametrize("status", ["busy", "failed", "declined", "canceled", "unheard-of"])
def test_whatever_kept_the_colleague_a_message_is_taken(call_of: NewCall, status: str) -> None:
    assert Record in kinds_of(call_of("a person please").return_from_transfer(status))


def test_who_comes_back_after_a_conversation_is_asked_for_more(call_of: NewCall) -> None:
    back = call_of("a person please").return_from_transfer("completed", seconds=60)
    assert text_of(back).endswith("Is there anything else I can do for you?")
    assert Record not in kinds_of(back)


def test_an_empty_recording_is_asked_for_once_more_and_then_taken_down(call_of: NewCall) -> None:
    call = call_of("a person please")
    call.return_from_transfer("busy")
    assert Record in kinds_of(call.record(0))
    assert "May I have your name" in text_of(call.record(0))
    call.say("Ann Lee")
    call.say("555 123 4567")
    assert "Your message: your bill got lost" in text_of(call.say("my bill got lost"))


def test_the_reason_of_a_booking_is_not_the_message_that_was_not_recorded(call_of: NewCall) -> None:
    call = call_of(ALL, "a person please")
    call.return_from_transfer("busy")
    call.record(0)
    assert text_of(call.record(0)).endswith("What shall I tell them?")


def test_words_in_place_of_a_recording_are_the_message(call_of: NewCall) -> None:
    call = call_of("a person please")
    call.return_from_transfer("busy")
    assert "name" in text_of(call.say("my bill got lost"))
    call.say("Ann Lee")
    assert "Your message: your bill got lost" in text_of(call.say("555 123 4567"))


def test_what_happens_while_the_caller_is_away_is_kept_and_not_told(call_of: NewCall) -> None:
    call = call_of(ALL, "a person please")
    assert looked_up(call) == []
    call.return_from_transfer("busy")
    call.record(5)
    assert OFFERS in text_of(call.say("I'd like to book an appointment for a cleaning"))


# Text messages.


def test_a_booking_is_confirmed_by_a_text_message_once_for_each_appointment(call_of: NewCall) -> None:
    call = call_of(ALL)
    looked_up(call)
    call.stay_silent()
    call.say("the first")
    booked = call.say("yes")
    assert isinstance(booked[0], SendMessage)
    assert "I'm sending you a text message with it." in text_of(booked)
    first = "You are booked for Tuesday 24 November at 10:00. Please call us if you need to change it."
    assert call.messages == [SendMessage(CALLER, first)]
    for said in ("change the number", "555 999 8888", "yes"):
        call.say(said)
    assert len(call.messages) == 1, "the appointment is the same"
    for said in ("change the time to Friday at ten", "yes"):
        call.say(said)
    assert [message.text[:28] for message in call.messages[1:]] == ["You are booked for Friday 27"]
    call.say("cancel my appointment")
    assert call.messages[-1].text.startswith("Your appointment is cancelled.")


@pytest.mark.parametrize("number", ["", "anonymous", "client:ann", "sip:ann@example.com", "+266696687", "5551234567"])
def test_a_caller_without_a_number_gets_no_text_message(call_of: NewCall, number: str) -> None:
    call = call_of(ALL, from_number=number)
    looked_up(call)
    call.stay_silent()
    call.say("the first")
    assert "text message" not in text_of(call.say("yes"))
    assert call.messages == []


def test_who_cannot_send_text_messages_promises_none(call_of: NewCall) -> None:
    call = call_of(ALL, can_text=False)
    looked_up(call)
    call.stay_silent()
    call.say("the first")
    assert "text message" not in text_of(call.say("yes"))
    assert call.messages == []


def test_text_messages_of_one_call_have_an_end(call_of: NewCall) -> None:
    call = call_of(ALL)
    looked_up(call)
    call.stay_silent()
    for _ in range(6):
        for said in ("Tuesday at ten", "yes", "change the time to Friday at ten", "yes", "change the time"):
            call.say(said)
    assert len(call.messages) == 6


# Silence.


def test_a_relay_call_whose_caller_is_silent_is_closed_by_itself(call_of: NewCall) -> None:
    call = call_of("an appointment", channel="relay")
    assert call.advance(30) == []
    assert text_of(call.advance(5)).startswith("Are you still there? May I have your name")
    assert "Take your time" in text_of(call.advance(38))
    closed = call.advance(40)
    assert "Goodbye" in text_of(closed)
    assert isinstance(closed[-1], HangUp)
    assert call.advance(600) == []


def test_words_on_a_relay_begin_the_time_anew(call_of: NewCall) -> None:
    call = call_of(channel="relay")
    for said in ("hm", "an appointment", "Ann Lee", "pardon?", "555 123 4567", "a check-up"):
        assert call.advance(25) == []
        assert SetTimer in kinds_of(call.say(said))
    assert SetTimer in kinds_of(looked_up(call))


def test_there_is_no_timer_while_the_caller_is_away(call_of: NewCall) -> None:
    call = call_of(channel="relay")
    assert CancelTimer in kinds_of(call.say("a person please"))
    assert call.advance(3600) == []
    call.signal("doctor_late")
    assert call.state.timers == {}


def test_over_webhooks_who_asks_for_time_is_not_asked_every_few_seconds(call_of: NewCall) -> None:
    call = call_of("an appointment")
    assert call.state.timers == {}
    answer = call.say("hold on, please")
    assert text_of(answer) == "Of course. Take your time."
    assert isinstance(answer[-1], Gather)
    assert answer[-1].timeout_seconds > 5
    assert kinds_of(call.stay_silent()) == kinds_of(call.stay_silent()) == [Gather]
    assert text_of(call.advance(60)).startswith("Are you still there?")
    assert "Take your time" in text_of(call.stay_silent())
    assert isinstance(call.stay_silent()[-1], HangUp)


def test_over_webhooks_words_end_the_time_that_was_given(call_of: NewCall) -> None:
    call = call_of("an appointment", "hold on")
    assert CancelTimer in kinds_of(call.say("Ann Lee"))
    assert call.advance(600) == []


# Signals, and what it does not know.


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"minutes": 20}, "running about 20 minutes late"),
        ({}, "running late"),
        ({"minutes": "many"}, "running late"),
        ({"minutes": -3}, "running late"),
        ({"minutes": 10**9}, "running late"),
    ],
)
def test_it_tells_that_the_doctor_is_late(call_of: NewCall, data: dict[str, Any], told: str) -> None:
    call = call_of("an appointment")
    answer = call.signal("doctor_late", data)
    assert told in text_of(answer)
    assert isinstance(answer[-1], Gather)
    assert "number" in text_of(call.say("Ann Lee")), "and goes on"


@pytest.mark.parametrize("channel", ["gather", "relay", "api"])
def test_what_it_does_not_know_is_answered_with_nothing(call_of: NewCall, channel: str) -> None:
    call = call_of("an appointment", channel=channel)
    timers = call.state.timers
    assert call.signal("payment_arrived", {"amount": 3}) == []
    call.say("Ann Lee")
    assert call.state.phase == "number"
    assert call.state.timers.keys() == timers.keys()


def test_a_call_that_has_not_begun_is_not_begun_by_a_signal(agent_call: NewCall) -> None:
    call = agent_call(Agent("receptionist", Receptionist(clock=lambda: MONDAY).reply))
    assert call.signal("doctor_late", {"minutes": 5}) == []
    assert "What can I do for you?" in text_of(call.begin())
