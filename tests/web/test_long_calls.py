"""Long calls, and callers who vanish, in one process: with a short TTL and a clock that jumps."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from support.ingress import said, verbs
from support.passing_time import PASSING
from support.waiting import wait_until

from orchestrator.conversation.actions import Play, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

MUSIC = "https://example.com/waiting.mp3"


async def patient(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    if turn.kind == "started":
        yield "Hello!"
    elif turn.text == "music":
        yield Play(MUSIC, loop=0)
    elif turn.text == "a person":
        yield Transfer("+15550001111")
    elif turn.kind != "ended":
        yield f"You said {turn.text}."


@pytest.fixture
def start_patient(start_ingress):
    """An ingress with the agent above."""
    return partial(start_ingress, agent=patient, state_manager=PASSING)


@pytest.fixture
def pass_time(move_clock):
    """Move an ingress's clocks on by seconds, and clean up, as the periodic task does once a minute."""

    async def pass_time(ingress: Any, seconds: float) -> None:
        ingress.runtime.states.pass_time(seconds)
        move_clock(seconds)
        await ingress.dispatcher.clean_up()

    return pass_time


@pytest.mark.parametrize("words", ["music", "a person"])
@pytest.mark.parametrize("ttl", [1, 3600])
async def test_whoever_listens_or_talks_for_an_hour_goes_on_where_they_were(start_patient, pass_time, words, ttl):
    async with start_patient(state_ttl_seconds=ttl) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult=words)
        for _ in range(4):
            await pass_time(ingress, 1000)
        assert await ingress.runtime.states.get_active_calls_count() == 1
        document = await ingress.twiml("/twilio/turn/2", SpeechResult="still here")
        assert said(document) == "You said still here."
        assert verbs(document) == ["Gather", "Redirect"]


async def test_a_call_of_more_than_an_hour_holds_with_a_short_time_to_live(start_patient, pass_time):
    async with start_patient(state_ttl_seconds=1) as ingress:
        await ingress.begin()
        for number in range(1, 101):
            await pass_time(ingress, 45)
            document = await ingress.twiml(f"/twilio/turn/{number}", SpeechResult=str(number))
            assert said(document) == f"You said {number}."
        assert len((await ingress.state()).turns) == 101


@pytest.mark.parametrize("ttl", [1, 3600])
async def test_a_caller_who_vanished_frees_the_slot_and_gets_a_record_of_the_end(start_patient, pass_time, ttl):
    async with start_patient(state_ttl_seconds=ttl, max_active_calls=1) as ingress:
        await ingress.begin()
        assert (await ingress.state()).is_active
        await pass_time(ingress, 901 if ttl == 3600 else 100)

        async def ended():
            state = await ingress.state()
            return state is not None and state.ended

        assert (await wait_until(ended, "the call is ended")).status == "abandoned"
        assert await ingress.runtime.states.get_active_calls_count() == 0
        ingress.call_sid = "CA-two"
        assert said(await ingress.begin()) == "Hello!"


async def test_a_task_of_the_ingress_ends_calls_that_were_left(start_patient, move_clock):
    async with start_patient(state_ttl_seconds=1) as ingress:
        await ingress.begin()
        ingress.runtime.states.pass_time(100)
        move_clock(100)
        await wait_until(lambda: _is_over(ingress), "the call is ended")


async def test_music_that_nobody_hears_any_more_ends_at_last(start_patient, pass_time):
    async with start_patient(state_ttl_seconds=1) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult="music")
        await pass_time(ingress, 4 * 3600 + 60)

        async def ended():
            state = await ingress.state()
            return state is not None and state.ended

        assert (await wait_until(ended, "the call is ended")).status == "abandoned"


async def test_a_call_that_is_kept_alive_is_not_taken_for_abandoned(start_patient, pass_time):
    async with start_patient(state_ttl_seconds=3600) as ingress:
        await ingress.begin()
        for _ in range(4):
            await pass_time(ingress, 800)
            await ingress.runtime.states.keep_alive([ingress.call_sid], 3600)
        assert (await ingress.state()).is_active
        await pass_time(ingress, 950)
        await wait_until(lambda: _is_over(ingress), "the call is ended")


async def _is_over(ingress):
    state = await ingress.state()
    return state is not None and state.ended is not None


async def test_a_text_conversation_that_is_left_gets_a_record_of_its_end(start_patient, pass_time):
    async with start_patient(state_ttl_seconds=3600) as ingress:
        turn = {"turn_id": "t1", "text": "hello"}
        assert (await ingress.client.post(f"/calls/{ingress.call_sid}/turns", json=turn)).status_code == 200
        await pass_time(ingress, 901)
        await wait_until(lambda: _is_over(ingress), "the conversation is ended")
