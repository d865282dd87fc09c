"""Long calls, and callers who vanish, in one process: with a short TTL and a clock that jumps."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import said, verbs
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.conversation.actions import Play, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch import in_process

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


passed = [0.0]
"""By how many seconds the clock was moved."""


def pass_time(ingress: Any, seconds: float) -> None:
    """Move the clock; the periodic task for open calls sees it at once."""
    before = ingress.runtime.states._clock
    ingress.runtime.states._clock = lambda: before() + seconds
    passed[0] += seconds


@pytest.fixture(autouse=True)
def watchful(monkeypatch):
    """Run the periodic task for open calls all the time, not once a minute."""
    monkeypatch.setattr(in_process, "CLEAN_UP_EVERY_SECONDS", 0.02)
    passed[0], real = 0.0, clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + passed[0])


async def rounds(ingress, number=3):
    """Wait until that task has run `number` times."""
    dispatcher = ingress.dispatcher
    until = dispatcher.rounds + number
    await wait_until(lambda: dispatcher.rounds >= until, "calls were looked after")


@pytest.mark.parametrize("words", ["music", "a person"])
@pytest.mark.parametrize("ttl", [1, 3600])
async def test_whoever_listens_or_talks_for_an_hour_goes_on_where_they_were(start_ingress, words, ttl):
    async with start_ingress(agent=patient, state_ttl_seconds=ttl) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult=words)
        for _ in range(4):
            pass_time(ingress, 1000)
            await rounds(ingress)
        assert await ingress.runtime.states.get_active_calls_count() == 1
        document = await ingress.twiml("/twilio/turn/2", SpeechResult="still here")
        assert said(document) == "You said still here."
        assert verbs(document) == ["Gather", "Redirect"]


async def test_a_call_of_more_than_an_hour_holds_with_a_short_time_to_live(start_ingress):
    async with start_ingress(agent=patient, state_ttl_seconds=1) as ingress:
        await ingress.begin()
        for number in range(1, 101):
            pass_time(ingress, 45)
            document = await ingress.twiml(f"/twilio/turn/{number}", SpeechResult=str(number))
            assert said(document) == f"You said {number}."
        await rounds(ingress)
        assert len((await ingress.state()).turns) == 101


@pytest.mark.parametrize("ttl", [1, 3600])
async def test_a_caller_who_vanished_frees_the_slot_and_gets_a_record_of_the_end(start_ingress, ttl):
    async with start_ingress(agent=patient, state_ttl_seconds=ttl, max_active_calls=1) as ingress:
        await ingress.begin()
        await rounds(ingress)
        assert (await ingress.state()).is_active
        pass_time(ingress, 901 if ttl == 3600 else 100)

        async def ended():
            state = await ingress.state()
            return state is not None and state.ended

        assert (await wait_until(ended, "the call is ended")).status == "abandoned"
        assert await ingress.runtime.states.get_active_calls_count() == 0
        ingress.call_sid = "CA-two"
        assert said(await ingress.begin()) == "Hello!"


async def test_music_that_nobody_hears_any_more_ends_at_last(start_ingress):
    async with start_ingress(agent=patient, state_ttl_seconds=1) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult="music")
        pass_time(ingress, 4 * 3600 + 60)

        async def ended():
            state = await ingress.state()
            return state is not None and state.ended

        assert (await wait_until(ended, "the call is ended")).status == "abandoned"


async def test_a_call_that_is_kept_alive_is_not_taken_for_abandoned(start_ingress):
    async with start_ingress(agent=patient, state_ttl_seconds=3600) as ingress:
        await ingress.begin()
        for _ in range(4):
            pass_time(ingress, 800)
            await ingress.runtime.states.keep_alive([ingress.call_sid], 3600)
            await rounds(ingress)
        assert (await ingress.state()).is_active
        pass_time(ingress, 950)
        await wait_until(lambda: _is_over(ingress), "the call is ended")


async def _is_over(ingress):
    state = await ingress.state()
    return state is not None and state.ended is not None


async def test_a_text_conversation_that_is_left_gets_a_record_of_its_end(start_ingress):
    async with start_ingress(agent=patient, state_ttl_seconds=3600) as ingress:
        turn = {"turn_id": "t1", "text": "hello"}
        assert (await ingress.client.post(f"/calls/{ingress.call_sid}/turns", json=turn)).status_code == 200
        pass_time(ingress, 901)
        await wait_until(lambda: _is_over(ingress), "the conversation is ended")
