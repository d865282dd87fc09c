"""The simulated provider in a call with a real server."""

import asyncio
from contextlib import aclosing

import pytest
from starlette.responses import Response
from support.calls import hold
from support.servers import free_port
from support.twiml_server import Webhook, twiml
from support.waiting import wait_until
from twilio.request_validator import RequestValidator

from orchestrator.provider_simulator import (
    Asked,
    CallIdentity,
    Colleague,
    Colleagues,
    Dialled,
    Event,
    HungUp,
    PhoneLine,
    PlaybackSpeed,
    Played,
    Problem,
    RetryPolicy,
    Said,
    Waiting,
)

ASK = '<Gather input="dtmf speech" action="/turn/1" actionOnEmptyResult="true"><Say>Yes?</Say></Gather>'
BYE = "<Say>Goodbye.</Say><Hangup/>"


def said(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Said)]


def end_of(events: list[Event]) -> HungUp:
    assert isinstance(events[-1], HungUp)
    return events[-1]


async def test_a_caller_says_something_and_is_answered(serve) -> None:
    server = await serve({"/twilio/voice": ASK, "/turn/1": BYE})
    line = PhoneLine(server.url, identity=CallIdentity(from_number="+15550002222"))
    events = await hold(line, "I need an appointment")
    assert said(events) == ["Yes?", "Goodbye."]
    assert end_of(events).by == "agent"
    first, second, status = (webhook.form for webhook in server.webhooks)
    assert (first["CallStatus"], second["CallStatus"], status["CallStatus"]) == (
        "ringing",
        "in-progress",
        "completed",
    )
    assert second["SpeechResult"] == "I need an appointment"
    assert 0 <= float(second["Confidence"]) <= 1
    assert {form["CallSid"] for form in (first, second, status)} == {line.call_sid}
    assert first["From"] == first["Caller"] == "+15550002222"
    assert first["FromCity"] == ""
    assert int(status["CallDuration"]) >= 0


@pytest.mark.parametrize(
    ("attributes", "pressed", "digits"),
    [("", "123", "123"), ("", "12#4", "12"), ('numDigits="2"', "123", "12"), ('finishOnKey="*"', "1#*", "1#")],
)
async def test_keys_are_taken_as_the_question_wants_them(serve, attributes: str, pressed: str, digits: str) -> None:
    server = await serve({"/twilio/voice": f'<Gather action="/turn/1" {attributes}/>', "/turn/1": BYE})
    await hold(PhoneLine(server.url), f"#{pressed}")
    assert server.webhooks[1].form["Digits"] == digits
    assert "SpeechResult" not in server.webhooks[1].form


async def test_silence_is_posted_where_the_question_wants_it(serve) -> None:
    server = await serve({"/twilio/voice": ASK, "/turn/1": BYE})
    await hold(PhoneLine(server.url), "")
    assert not {"SpeechResult", "Digits"} & server.webhooks[1].form.keys()


async def test_silence_falls_through_to_the_next_verb_and_the_end_of_the_document_hangs_up(serve) -> None:
    server = await serve({"/twilio/voice": '<Gather action="/turn/1"/><Say>Nobody there.</Say>'})
    events = await hold(PhoneLine(server.url), "")
    assert (said(events), end_of(events).by) == (["Nobody there."], "agent")
    assert server.paths() == ["/twilio/voice"]


async def test_a_question_nobody_answers_times_out_at_a_true_pace(serve) -> None:
    server = await serve({"/twilio/voice": '<Gather timeout="0"/><Say>Too late.</Say>'})
    line = PhoneLine(server.url, speed=PlaybackSpeed(timeouts=True))
    events = [event async for event in line.call()]
    assert said(events) == ["Too late."]


async def test_a_caller_who_has_begun_to_speak_is_not_silent(serve) -> None:
    server = await serve({"/twilio/voice": '<Gather input="speech" timeout="0" action="/turn/1"/>', "/turn/1": BYE})
    line = PhoneLine(server.url, speed=PlaybackSpeed(timeouts=True))
    line.begin_to_speak()

    async def speak() -> None:
        await wait_until(lambda: line.is_heard, "the question is asked")
        for _ in range(20):  # the question's time is over at its first step
            await asyncio.sleep(0)
        assert line.answer_speech("at last")

    speaking = asyncio.create_task(speak())
    assert said([event async for event in line.call()]) == ["Goodbye."]
    await speaking
    assert server.webhooks[1].form["SpeechResult"] == "at last"


async def test_an_answer_while_the_agent_still_speaks_cuts_it_short(serve) -> None:
    gather = '<Gather input="speech" action="/turn/1"><Say>One.</Say><Say>Two.</Say></Gather>'
    server = await serve({"/twilio/voice": gather, "/turn/1": BYE})
    line = PhoneLine(server.url)
    events = []
    async for event in line.call():
        events.append(event)
        if isinstance(event, Said) and event.interruptible:
            assert line.answer_speech("stop")
    assert said(events) == ["One.", "Goodbye."]
    assert not [event for event in events if isinstance(event, Asked)]


async def test_an_answer_that_no_question_waits_for_is_not_heard(serve) -> None:
    server = await serve({"/twilio/voice": '<Say>Wait.</Say><Gather action="/turn/1"/>', "/turn/1": BYE})
    line = PhoneLine(server.url)
    heard = []
    async for event in line.call():
        match event:
            case Said():
                heard.append(line.answer_speech("hello"))
            case Asked():
                heard += [line.answer_speech("hello"), line.answer_keys("1"), line.answer_keys("2")]
    assert heard == [False, False, True, False, False]


async def test_a_gather_without_an_action_asks_the_documents_own_address_again(serve) -> None:
    server = await serve({"/twilio/voice": ['<Gather input="speech"/>', BYE]})
    await hold(PhoneLine(server.url), "hello")
    assert server.paths() == ["/twilio/voice", "/twilio/voice"]


async def test_relative_addresses_and_get_are_resolved_from_the_document_before(serve) -> None:
    server = await serve(
        {
            "/twilio/voice": "<Redirect>turn/1</Redirect>",
            "/twilio/turn/1": '<Redirect method="GET">../wait?n=1&amp;x=a%20b</Redirect>',
            "/twilio/wait": BYE,
        }
    )
    events = await hold(PhoneLine(server.url, "12345"))
    assert end_of(events).by == "agent"
    last = server.webhooks[2]
    assert (last.method, last.form["n"], last.form["x"], last.form["CallStatus"]) == (
        "GET",
        "1",
        "a b",
        "in-progress",
    )
    assert RequestValidator("12345").validate(last.url, {}, last.headers["x-twilio-signature"])


async def test_webhooks_are_signed_for_the_url_that_the_server_goes_by(serve) -> None:
    public = "https://voice.example.com"
    server = await serve({"/twilio/voice": f"<Redirect>{public}/turn/1?a=b#rc=2&amp;rp=5xx</Redirect>", "/turn/1": BYE})
    await hold(PhoneLine(server.url, "12345", public_url=public + "/"))
    assert server.paths() == ["/twilio/voice", "/turn/1"]
    validator = RequestValidator("12345")
    for webhook in server.webhooks:
        signed = webhook.url.replace(server.url, public)
        assert validator.validate(signed, webhook.form, webhook.headers["x-twilio-signature"]), webhook.path


async def test_without_a_token_nothing_is_signed(serve) -> None:
    server = await serve({"/twilio/voice": BYE})
    await hold(PhoneLine(server.url))
    assert "x-twilio-signature" not in server.webhooks[0].headers


async def test_a_transfer_is_told_and_its_action_learns_how_it_went(serve) -> None:
    server = await serve(
        {"/twilio/voice": '<Dial action="/dialled"><Number>+15550003333</Number></Dial>', "/dialled": BYE}
    )
    nobody = Colleagues(rest=Colleague("does-not-answer"))
    events = await hold(PhoneLine(server.url, colleagues=nobody))
    assert Dialled("+15550003333", "no-answer") in events
    assert server.webhooks[1].form["DialCallStatus"] == "no-answer"
    assert said(events) == ["Goodbye."]


async def test_audio_is_named_by_its_whole_address(serve) -> None:
    server = await serve({"/twilio/voice": '<Play>/ding.mp3</Play><Play digits="w5"/>'})
    events = await hold(PhoneLine(server.url))
    assert events[:2] == [Played(f"{server.url}/ding.mp3"), Played(digits="w5")]


async def test_a_refused_call_ends_busy_and_has_no_duration(serve) -> None:
    server = await serve({"/twilio/voice": '<Reject reason="busy"/>'})
    events = await hold(PhoneLine(server.url))
    assert (end_of(events).by, end_of(events).status) == ("agent", "busy")
    [status] = server.status_callbacks()
    assert status["CallStatus"] == "busy"
    assert "CallDuration" not in status


async def test_a_caller_who_hangs_up_in_a_question_is_reported_once(serve) -> None:
    server = await serve({"/twilio/voice": ASK})
    line = PhoneLine(server.url)
    events = []
    async for event in line.call():
        events.append(event)
        if isinstance(event, Asked):
            line.hang_up()
            line.hang_up()
            await line.question_over()
    assert end_of(events).by == "caller"
    assert [form["CallStatus"] for form in server.status_callbacks()] == ["completed"]


async def test_leaving_the_loop_drops_the_line_without_a_word(serve) -> None:
    server = await serve({"/twilio/voice": ASK})
    async with aclosing(PhoneLine(server.url).call()) as call:
        async for event in call:
            if isinstance(event, Asked):
                break
    assert [webhook.path for webhook in server.webhooks] == ["/twilio/voice"]


async def test_a_line_makes_one_call(serve) -> None:
    server = await serve({"/twilio/voice": BYE})
    line = PhoneLine(server.url)
    await hold(line)
    with pytest.raises(RuntimeError, match="new PhoneLine"):
        await hold(line)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Response("Bad signature.\n", 403), "answered 403 Forbidden: Bad signature."),
        (Response("<html>oh</html>", 500), "answered 500 Internal Server Error."),
        (Response("Hello", media_type="text/plain"), "answered with text/plain; the provider requires text/xml."),
        (Response("<Response", media_type="text/xml"), "is no XML"),
        (twiml("<Connect><Stream url='wss://x'/></Connect>"), "VOICE_CHANNEL=gather"),
        (twiml("<Redirect>/twilio/voice</Redirect>"), "that is a loop"),
    ],
)
async def test_a_server_that_errs_is_told_on_and_the_caller_hears_an_apology(serve, answer, sentence) -> None:
    server = await serve({"/twilio/voice": answer})
    events = await hold(PhoneLine(server.url))
    problem = next(event for event in events if isinstance(event, Problem))
    assert sentence in problem.text
    assert not problem.unreachable
    assert said(events) == ["We are sorry, an application error has occurred. Goodbye."]
    assert end_of(events).by == "problem"


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    events = await hold(PhoneLine(url, retry=RetryPolicy(total_seconds=60)))
    assert events[:-1] == [Problem(f"Nothing answers at {url}.", unreachable=True)]
    assert end_of(events).status == "failed"


async def test_a_status_callback_that_is_refused_is_told(serve) -> None:
    server = await serve({"/twilio/voice": BYE, "/twilio/status": Response(status_code=500)})
    events = await hold(PhoneLine(server.url))
    assert "status callback was lost" in next(event.text for event in events if isinstance(event, Problem))


async def test_a_url_may_ask_for_retries_and_each_carries_the_same_idempotency_token(serve) -> None:
    def voice(_: Webhook) -> str:
        return "<Redirect>/turn/1#rc=2&amp;rp=5xx,ct</Redirect>"

    broken = Response(status_code=503)
    server = await serve({"/twilio/voice": voice, "/turn/1": [broken, broken, twiml(BYE)]})
    events = await hold(PhoneLine(server.url))
    assert end_of(events).by == "agent"
    tries = [webhook.headers["i-twilio-idempotency-token"] for webhook in server.webhooks[1:4]]
    assert len(tries) == 3
    assert len(set(tries)) == 1


async def test_a_patient_line_outlives_a_restart_of_the_server(serve) -> None:
    gone = Response(status_code=502)
    server = await serve({"/twilio/voice": ASK, "/turn/1": [gone, gone, gone, twiml(BYE)]})
    line = PhoneLine(server.url, retry=RetryPolicy(on=frozenset({"5xx"}), total_seconds=30))
    events = await hold(line, "hello")
    assert [event for event in events if isinstance(event, Waiting)]
    assert said(events) == ["Yes?", "Goodbye."]


@pytest.mark.parametrize(
    ("fragment", "policy"),
    [
        ("", None),
        ("section", None),
        ("rc=2&rp=5xx,ct", RetryPolicy(2, frozenset({"5xx", "ct"}))),
        ("rc=99", RetryPolicy(5, frozenset({"ct"}))),
        ("rc=x&rp=all", RetryPolicy(1, frozenset({"ct", "rt", "4xx", "5xx"}))),
    ],
)
def test_a_retry_policy_is_read_off_a_url(fragment: str, policy: RetryPolicy | None) -> None:
    assert RetryPolicy.of_fragment(fragment) == policy
