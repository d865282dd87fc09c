"""The fixture `agent_call`, by which agents are tested: what it gives is what a call would."""

import asyncio
from datetime import datetime

import pytest

from orchestrator.conversation.actions import HandOff, HangUp
from orchestrator.errors import BadAgent, BadReply


async def clerk(turn, state):
    if turn.kind == "interrupted":
        yield f"You heard {turn.text}."
        return
    state.slots.setdefault("said", []).append(turn.text)
    yield f"{turn.kind}: "
    yield turn.text
    if turn.text == "bye":
        yield HangUp()


class Attentive:
    interruptions = True
    reply = staticmethod(clerk)


async def failing(turn, state):
    state.slots["half"] = True
    yield "Well. "
    raise RuntimeError("no luck")


async def hoarding(turn, state):
    state.slots["socket"] = object()
    yield "Hm."


async def keeping(turn, state):
    state.slots["when"] = datetime(2026, 1, 1)
    yield "Noted."


async def looping(turn, state):
    yield str(id(asyncio.get_running_loop()))


def test_each_turn_gives_what_was_yielded_and_the_next_one_finds_the_state(agent_call) -> None:
    call = agent_call(clerk, slots={"said": ["before"]}, from_number="+15550001111")
    assert call.begin() == ["started: ", ""]
    assert call.say("hello") == ["speech: ", "hello"]
    assert call.press("12") == ["keys: ", "12"]
    assert call.stay_silent() == ["silence: ", ""]
    assert call.say("bye") == ["speech: ", "bye", HangUp()]
    assert call.state.slots["said"] == ["before", "", "hello", "12", "", "bye"]
    assert [(turn.kind, turn.reply.text) for turn in call.state.turns][1] == ("speech", "speech: hello")
    assert call.state.from_number == "+15550001111"
    assert call.hang_up() == ["ended: ", "completed"]


def test_an_interruption_is_told_to_those_who_ask_for_it(agent_call) -> None:
    deaf, attentive = agent_call(clerk), agent_call(Attentive)
    deaf.begin()
    attentive.begin()
    assert deaf.interrupt("sta") == []
    assert attentive.interrupt("sta") == ["You heard sta."]
    assert deaf.state.turns[0].heard_text == "sta"


def test_what_an_agent_raises_comes_out_and_nothing_of_its_turn_is_kept(agent_call) -> None:
    call = agent_call(failing)
    with pytest.raises(RuntimeError, match="no luck"):
        call.begin()
    assert call.state.slots == {}
    assert call.state.turns == []


def test_what_a_call_would_refuse_is_refused(agent_call) -> None:
    with pytest.raises(BadReply, match="not JSON"):
        agent_call(hoarding).begin()
    with pytest.raises(BadAgent, match="Write `async def`"):
        agent_call(lambda turn, state: "x")


def test_the_state_is_what_is_read_from_json(agent_call) -> None:
    call = agent_call(keeping)
    call.begin()
    assert call.state.slots["when"] == "2026-01-01T00:00:00"


def test_all_turns_run_in_one_event_loop(agent_call) -> None:
    call = agent_call(looping)
    assert call.begin() == call.say("again")


async def test_in_a_coroutine_a_turn_is_awaited(agent_call) -> None:
    assert await agent_call(clerk).take("speech", "hello") == ["speech: ", "hello"]


async def desk(turn, state):
    yield f"{state.settings['clinic']}. "
    if turn.kind == "speech":
        yield HandOff("billing", note=turn.text)
        yield "This is not said."
        state.slots["after"] = True


def test_after_a_hand_off_the_agent_says_nothing(agent_call):
    call = agent_call(desk, settings={"clinic": "north"})
    assert call.begin() == ["north. "]
    assert call.say("invoice") == ["north. ", HandOff("billing", note="invoice")]
    assert call.state.slots == {"after": True}
    assert call.stay_silent() == ["north. "], "settings are there in each turn"


async def test_an_agent_that_gets_the_call_is_tested_by_its_note(agent_call):
    call = agent_call(clerk)
    assert await call.take("handed_off", "an invoice") == ["handed_off: ", "an invoice"]
