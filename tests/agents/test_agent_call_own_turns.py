"""Own turns of an `agent_call`: timers, activities, signals, and what comes back."""

import asyncio

import pytest

from orchestrator.conversation.actions import (
    CancelActivity,
    CancelTimer,
    HangUp,
    Record,
    SendMessage,
    SetTimer,
    StartActivity,
    Transfer,
)
from orchestrator.errors import ScheduleRefused

HERE = __name__
WORDS = {
    "tea": SetTimer("tea", 180, {"cup": 1}),
    "egg": SetTimer("egg", 300),
    "no tea": CancelTimer("tea"),
    "sum": StartActivity(f"{HERE}:add", {"one": 1, "two": 2}, name="sum"),
    "plain": StartActivity(f"{HERE}:plainly_fail"),
    "slow": StartActivity(f"{HERE}:never_end", timeout_seconds=0.01),
    "no sum": CancelActivity("sum"),
    "text": SendMessage("+15550001111", "Hi."),
    "person": Transfer(("+15551230001", "+15551230002")),
    "message": Record(),
    "bye": HangUp(),
}


async def add(one, two, idempotency_key):
    return {"sum": one + two, "key": idempotency_key}


def plainly_fail():
    raise LookupError("a secret")


async def never_end():
    await asyncio.Event().wait()


async def telling(turn, state):
    """Says what a turn is; does what was said."""
    yield f"{turn.kind} {turn.text} {turn.data}"
    if turn.text in WORDS:
        yield WORDS[turn.text]
    if turn.kind == "timer" and turn.text == "egg":
        yield SetTimer("egg", 60)


telling.speech_filter = False


def test_timers_go_off_in_their_order_when_their_time_has_come(agent_call):
    call = agent_call(telling)
    call.say("egg")
    call.say("tea")
    assert call.advance(179) == []
    assert call.advance(1) == ["timer tea {'cup': 1}", WORDS["tea"]], "which sets it again"
    call.say("no tea")
    assert list(call.state.timers) == ["egg"]
    assert call.advance(200) == 2 * ["timer egg {}", SetTimer("egg", 300), SetTimer("egg", 60)], "at 300 and at 360 s"
    assert call.state.turns[-1].turn_id.startswith("~timer-")


def test_a_timer_is_gone_when_the_call_has_ended(agent_call):
    call = agent_call(telling)
    call.say("tea")
    call.say("bye")
    assert call.advance(1000) == []


def test_a_timer_that_sets_itself_at_once_for_ever_is_no_endless_test(agent_call):
    async def hasty(turn, state):
        yield SetTimer("now", 0)

    call = agent_call(hasty)
    call.begin()
    with pytest.raises(AssertionError, match="sets itself again and again"):
        call.advance(1)


def test_an_activity_runs_when_the_test_says_so_with_its_arguments_and_key(agent_call):
    call = agent_call(telling)
    call.say("sum")
    assert call.state.activities["sum"].function == f"{HERE}:add"
    ((told),) = call.run_activity("sum")[:1]
    assert told.startswith("activity sum {'result': {'sum': 3, 'key': 'CA1/activity-")
    assert call.state.activities.keys() == {"sum"}, "the example starts another one"
    call.say("no sum")
    assert call.state.activities == {}


def test_an_activity_that_fails_tells_the_class_of_its_error_alone(agent_call):
    call = agent_call(telling)
    call.say("plain")
    assert call.run_activity("plainly_fail") == ["activity plainly_fail {'error': 'LookupError'}"]
    call.say("slow")
    assert call.run_activity("never_end") == ["activity never_end {'error': 'TimeoutError'}"]


def test_an_activity_may_end_as_the_test_says(agent_call):
    call = agent_call(telling)
    call.say("plain")
    assert call.end_activity("plainly_fail", 7) == ["activity plainly_fail {'result': 7}"]
    call.say("plain")
    assert call.fail_activity("plainly_fail", "WorkerLost") == ["activity plainly_fail {'error': 'WorkerLost'}"]
    with pytest.raises(AssertionError, match="No activity 'plainly_fail' is running"):
        call.end_activity("plainly_fail")


def test_a_second_activity_of_a_live_name_fails_the_turn(agent_call):
    call = agent_call(telling)
    call.say("sum")
    with pytest.raises(ScheduleRefused, match="named sum runs already"):
        call.say("sum")
    assert len(call.state.turns) == 1, "nothing of the turn is kept"


def test_a_signal_brings_its_data(agent_call):
    assert agent_call(telling).signal("late", {"minutes": 5}) == ["signal late {'minutes': 5}"]


def test_a_transfer_comes_back_with_what_the_test_says(agent_call):
    call = agent_call(telling)
    call.say("person")
    assert call.return_from_transfer("busy") == ["transferred busy {'to': '+15551230002', 'seconds': 0}"]
    with pytest.raises(AssertionError, match="was not transferred"):
        call.return_from_transfer()


def test_a_message_is_recorded_or_nothing_is(agent_call):
    call = agent_call(telling)
    call.say("message")
    assert call.record(0) == ["recorded  {'url': '', 'seconds': 0}"]
    call.say("message")
    assert call.record(7, "https://a.example/1") == ["recorded  {'url': 'https://a.example/1', 'seconds': 7}"]
    with pytest.raises(AssertionError, match="was not asked for a message"):
        call.record(7)


def test_text_messages_are_collected(agent_call):
    call = agent_call(telling)
    call.say("text")
    assert call.messages == [SendMessage("+15550001111", "Hi.")]


async def test_in_a_coroutine_a_timer_goes_off_by_its_name(agent_call):
    call = agent_call(telling)
    await call.take("speech", "egg")
    brought = call.state.timers["egg"].turn_id
    await call.take("timer", "egg")
    assert call.state.turns[-1].turn_id == brought != call.state.timers["egg"].turn_id
