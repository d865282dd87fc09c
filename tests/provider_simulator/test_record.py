"""Messages that callers leave."""

import pytest
from support.calls import hold

from orchestrator.provider_simulator import PhoneLine, PlaybackSpeed, Recorded, Recording, Said

RECORD = '<Record action="/recorded" finishOnKey="#" maxLength="3" timeout="0"/><Say>Nothing came.</Say>'
BYE = "<Say>Thank you.</Say><Hangup/>"


async def test_a_message_is_recorded_and_the_action_learns_where(serve) -> None:
    server = await serve({"/twilio/voice": RECORD, "/recorded": BYE})
    events = await hold(PhoneLine(server.url), "Please call me back tomorrow.")
    assert events[0] == Recording("#", beeps=True)
    [recorded] = [event for event in events if isinstance(event, Recorded)]
    assert (recorded.text, recorded.seconds) == ("Please call me back tomorrow.", 2)
    form = server.webhooks[1].form
    assert (form["RecordingUrl"], form["RecordingDuration"], form["Digits"]) == (recorded.url, "2", "")
    assert form["RecordingUrl"].endswith(form["RecordingSid"])


async def test_a_message_is_no_longer_than_allowed(serve) -> None:
    server = await serve({"/twilio/voice": RECORD, "/recorded": BYE})
    await hold(PhoneLine(server.url), "word " * 100)
    assert server.webhooks[1].form["RecordingDuration"] == "3"


async def test_where_nothing_was_recorded_the_next_verb_follows(serve) -> None:
    server = await serve({"/twilio/voice": RECORD, "/recorded": BYE})
    assert Said("Nothing came.") in await hold(PhoneLine(server.url), "")
    assert server.paths() == ["/twilio/voice"]


async def test_silence_ends_a_recording_at_a_true_pace(serve) -> None:
    server = await serve({"/twilio/voice": RECORD})
    events = [event async for event in PhoneLine(server.url, speed=PlaybackSpeed(timeouts=True)).call()]
    assert Said("Nothing came.") in events


@pytest.mark.parametrize(("pressed", "is_taken"), [("#", True), ("5", False), ("5#", True)])
async def test_only_the_finishing_key_ends_it(serve, pressed: str, is_taken: bool) -> None:
    server = await serve({"/twilio/voice": RECORD, "/recorded": BYE})
    line = PhoneLine(server.url)
    async for event in line.call():
        if isinstance(event, Recording):
            assert line.answer_keys(pressed) == is_taken
            if not is_taken:
                line.hang_up()
    recorded = [hook.form["Digits"] for hook in server.webhooks if hook.path == "/recorded"]
    assert recorded == (["#"] if is_taken else [])


async def test_a_caller_who_hangs_up_after_the_message_has_left_it(serve) -> None:
    server = await serve({"/twilio/voice": RECORD, "/recorded": BYE})
    line = PhoneLine(server.url)
    async for event in line.call():
        if isinstance(event, Recording):
            line.hang_up("That is all.")
    [form] = [hook.form for hook in server.webhooks if hook.path == "/recorded"]
    assert (form["Digits"], form["CallStatus"], form["RecordingDuration"]) == ("hangup", "completed", "1")
