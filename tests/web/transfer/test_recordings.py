"""A caller leaves a message: the recording is the agent's next turn, whatever its webhook says."""

import asyncio

import pytest
from support.ingress import said, verbs
from support.transferring import action_of, leaving_by, verb
from support.waiting import wait_until

from orchestrator.conversation.actions import Record

URL = "https://api.twilio.com/2010-04-01/Accounts/AC0/Recordings/RE0"


async def recording(ingress, **fields):
    """Let the caller be recorded; the document that does it."""
    await ingress.begin()
    return await ingress.twiml("/twilio/turn/1", SpeechResult="a message")


async def over(ingress):
    async def ended():
        return (await ingress.state()).ended

    await wait_until(ended, "the call has ended")


async def records(ingress):
    return [(record.kind, record.text, record.data) for record in (await ingress.state()).turns[2:]]


async def test_a_message_is_the_next_turn(start_ingress):
    async with start_ingress(agent=leaving_by(Record(max_seconds=60, finish_on_key="*", beep=False))) as ingress:
        document = await recording(ingress)
        assert verbs(document) == ["Say", "Record", "Redirect"]
        record = verb(document, "Record")
        assert {name: record.get(name) for name in ("maxLength", "finishOnKey", "playBeep", "method")} == {
            "maxLength": "60", "finishOnKey": "*", "playBeep": "false", "method": "POST",
        }  # fmt: skip
        path = action_of(document, "Record")
        answer = await ingress.twiml(path, RecordingUrl=URL, RecordingDuration="14", Digits="*")
        assert said(answer) == "Recorded: RE0, 14."
        assert action_of(answer, "Gather") == "/twilio/turn/3"
        assert await records(ingress) == [("recorded", "", {"url": URL, "seconds": 14})]


async def test_silence_is_an_empty_message(start_ingress):
    async with start_ingress(agent=leaving_by(Record())) as ingress:
        document = await recording(ingress)
        answer = await ingress.twiml(verb(document, "Redirect").text)
        assert said(answer) == "Recorded: nothing, 0."
        assert await records(ingress) == [("recorded", "", {"url": "", "seconds": 0})]


@pytest.mark.parametrize("url", [
    "javascript:alert(1)", "file:///etc/passwd", "https://", "ftp://x/y", "x" * 10, f"https://x/{'a' * 2000}",
    "https://x/\ny", "https://[::1",
])  # fmt: skip
async def test_what_is_no_address_of_a_recording_is_not_passed_on(start_ingress, url):
    async with start_ingress(agent=leaving_by(Record())) as ingress:
        path = action_of(await recording(ingress), "Record")
        assert said(await ingress.twiml(path, RecordingUrl=url, RecordingDuration="3")) == "Recorded: nothing, 0."
        assert await records(ingress) == [("recorded", "", {"url": "", "seconds": 0})]


@pytest.mark.parametrize("seconds", ["", "-3", "1e9", "9" * 300, "٣"])
async def test_no_duration_breaks_the_turn(start_ingress, seconds):
    async with start_ingress(agent=leaving_by(Record())) as ingress:
        path = action_of(await recording(ingress), "Record")
        await ingress.twiml(path, RecordingUrl=URL, RecordingDuration=seconds)
        ((_, _, data),) = await records(ingress)
        assert data["url"] == URL
        assert 0 <= data["seconds"] <= 999_999


async def test_who_hangs_up_after_their_message_has_left_it(start_ingress):
    async with start_ingress(agent=leaving_by(Record())) as ingress:
        path = action_of(await recording(ingress), "Record")
        answer = await ingress.twiml(
            path, CallStatus="completed", Digits="hangup", RecordingUrl=URL, RecordingDuration="5"
        )
        assert verbs(answer) == []
        await over(ingress)
        assert [kind for kind, _, _ in await records(ingress)] == ["recorded", "ended"]
        assert (await records(ingress))[0][2] == {"url": URL, "seconds": 5}


async def test_who_hangs_up_without_a_word_has_left_none(start_ingress):
    async with start_ingress(agent=leaving_by(Record())) as ingress:
        path = action_of(await recording(ingress), "Record")
        assert verbs(await ingress.twiml(path, CallStatus="completed")) == []
        await over(ingress)
        assert [kind for kind, _, _ in await records(ingress)] == ["ended"]


async def test_a_retry_gets_the_same_bytes_and_leaves_one_message(start_ingress):
    async with start_ingress(agent=leaving_by(Record())) as ingress:
        document = await recording(ingress)
        path, fields = action_of(document, "Record"), {"RecordingUrl": URL, "RecordingDuration": "5"}
        assert (await ingress.post(path, **fields)).content == (await ingress.post(path, **fields)).content
        assert said(await ingress.twiml(verb(document, "Redirect").text)) == "Recorded: RE0, 5."
        assert len(await records(ingress)) == 1


async def test_a_caller_who_returns_otherwise_is_not_recorded_again(start_ingress):
    async with start_ingress(agent=leaving_by(Record())) as ingress:
        await recording(ingress)
        document = await ingress.twiml("/twilio/voice")
        assert verbs(document) == ["Gather", "Redirect"]


async def test_a_message_whose_webhook_comes_after_the_end_of_the_call_is_not_lost(start_ingress):
    async with start_ingress(agent=leaving_by(Record()), timeouts={"message": 60}) as ingress:
        path = action_of(await recording(ingress), "Record")
        read, has_read = ingress.runtime.states.get_state, asyncio.Event()

        async def get_state(call_sid):
            has_read.set()
            return await read(call_sid)

        ingress.runtime.states.get_state = get_state
        status = asyncio.create_task(ingress.post("/twilio/status", CallStatus="completed"))
        await has_read.wait()  # it would end the call now
        await ingress.twiml(path, CallStatus="completed", RecordingUrl=URL, RecordingDuration="5")
        assert (await status).status_code == 204
        await over(ingress)
        assert [kind for kind, _, _ in await records(ingress)] == ["recorded", "ended"]


async def test_a_message_that_never_comes_delays_the_end_of_the_call_only(start_ingress):
    async with start_ingress(agent=leaving_by(Record()), timeouts={"message": 0.0}) as ingress:
        await recording(ingress)
        assert (await ingress.post("/twilio/status", CallStatus="completed")).status_code == 204
        await over(ingress)
        assert [kind for kind, _, _ in await records(ingress)] == ["ended"]
