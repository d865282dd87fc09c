"""The store is down when a caller is back, or the webhook that brings them failed."""

from typing import Any

import pytest
from support.ingress import QUICK, said, verbs
from support.transferring import OTHER, PERSON, action_of, leaving_by, query_of, verb

from orchestrator.conversation.actions import Record, Transfer
from orchestrator.errors import StoreUnavailable
from orchestrator.transfers.answers import MemoryTransferAnswers

QUICKLY: dict[str, Any] = {**QUICK, "store": 0.05}


class FailingAnswers(MemoryTransferAnswers):
    """Answers that cannot be read while `is_down`."""

    is_down = False

    async def of(self, call_sid, by):
        if self.is_down:
            raise StoreUnavailable
        return await super().of(call_sid, by)


async def left(ingress):
    await ingress.begin()
    return await ingress.twiml("/twilio/turn/1", SpeechResult="a person please")


def redirect_of(document):
    return verb(document, "Redirect").text


async def test_the_end_of_a_conversation_needs_no_store(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        path = action_of(await left(ingress))
        ingress.trouble(StoreUnavailable())
        assert verbs(await ingress.twiml(path, DialCallStatus="completed")) == ["Hangup"]


@pytest.mark.parametrize(("action", "name", "fields", "heard"), [
    (Transfer(PERSON), "Dial", {"DialCallStatus": "busy"}, f"Back: busy, {PERSON}, 0."),
    (Record(), "Record", {"RecordingUrl": "https://x/RE1", "RecordingDuration": "4"}, "Recorded: RE1, 4."),
])  # fmt: skip
async def test_a_caller_who_is_back_is_held_until_the_store_is_up(start_ingress, action, name, fields, heard):
    async with start_ingress(agent=leaving_by(action), timeouts=QUICKLY) as ingress:
        path = action_of(await left(ingress), name)
        ingress.trouble(StoreUnavailable())
        document = await ingress.twiml(path, **fields)
        assert verbs(document) == ["Say", "Redirect"]
        document = await ingress.twiml(redirect_of(document))
        assert verbs(document) == ["Say", "Redirect"]
        ingress.trouble(None)
        assert said(await ingress.twiml(redirect_of(document))) == heard
        assert [turn.turn_id for turn in ingress.turns].count("turn-2") == 1


async def test_who_took_the_call_is_asked_until_it_is_known(start_ingress):
    async with start_ingress(
        agent=leaving_by(Transfer(PERSON, accept_key="1", then="return")), timeouts=QUICKLY
    ) as ingress:
        answers = ingress.runtime.transfer_answers = FailingAnswers()
        path = action_of(await left(ingress))
        await answers.note(ingress.call_sid, "turn-1", 0, "CA-leg")
        answers.is_down = True
        document = await ingress.twiml(path, DialCallStatus="completed", DialCallDuration="7", DialCallSid="CA-leg")
        for attempt in ("1", "2"):
            assert verbs(document) == ["Say", "Redirect"]
            query = query_of(redirect_of(document))
            assert (query["attempt"], query["status"], query["seconds"]) == (attempt, "completed", "7")
            document = await ingress.twiml(redirect_of(document))
        answers.is_down = False
        assert said(await ingress.twiml(redirect_of(document))) == f"Back: completed, {PERSON}, 7."


async def test_the_next_person_is_rung_once_the_store_says_who_it_is(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer((PERSON, OTHER))), timeouts=QUICKLY) as ingress:
        path = action_of(await left(ingress))
        get_state = ingress.runtime.states.get_state

        async def fail(call_sid):
            raise StoreUnavailable

        ingress.runtime.states.get_state = fail
        document = await ingress.twiml(path, DialCallStatus="busy")
        assert verbs(document) == ["Say", "Redirect"]
        ingress.runtime.states.get_state = get_state
        document = await ingress.twiml(redirect_of(document))
        assert verb(document, "Dial/Number").text == OTHER


async def test_a_caller_who_is_held_for_too_long_hears_an_apology(start_ingress):
    transfer = Transfer((PERSON, OTHER))
    timeouts = {**QUICKLY, "hold": 0.0}
    async with start_ingress(agent=leaving_by(transfer), timeouts=timeouts, transfer_to=OTHER) as ingress:
        path = action_of(await left(ingress))

        async def fail(call_sid):
            raise StoreUnavailable

        ingress.runtime.states.get_state = fail
        document = await ingress.twiml(path, DialCallStatus="busy")
        assert verbs(document) == ["Say", "Dial"]
        assert "sorry" in said(document)


async def apologised(ingress):
    """Let the store be down for so long that the caller is connected with the person of TRANSFER_TO."""
    await ingress.begin()
    ingress.trouble(StoreUnavailable())
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
    assert verb(document, "Dial/Number").text == OTHER
    return document


@pytest.fixture
def start_impatient(start_ingress):
    """An ingress that apologises at once, and has somebody to connect callers with."""
    return lambda: start_ingress(agent=leaving_by(Transfer(PERSON)), transfer_to=OTHER, timeouts={"hold": 0.0})


async def test_after_an_apology_a_conversation_is_the_end_of_the_call(start_impatient):
    async with start_impatient() as ingress:
        path = action_of(await apologised(ingress))
        assert verbs(await ingress.twiml(path, DialCallStatus="completed")) == ["Hangup"]


async def test_if_nobody_answers_after_an_apology_the_call_goes_on_where_the_store_is_up_again(start_impatient):
    async with start_impatient() as ingress:
        path = action_of(await apologised(ingress))
        ingress.trouble(None)
        document = await ingress.twiml(path, DialCallStatus="no-answer")
        assert (verbs(document), said(document)) == (["Gather", "Redirect"], "Hello!")


async def test_if_nobody_answers_and_the_store_is_down_the_caller_is_told_so(start_impatient):
    async with start_impatient() as ingress:
        path = action_of(await apologised(ingress))
        document = await ingress.twiml(path, DialCallStatus="busy")
        assert verbs(document) == ["Say", "Hangup"]
        assert "call again" in said(document)


async def failed(ingress, path, **fields):
    """The provider requests the fallback URL, since the webhook at `path` failed."""
    error = {"ErrorCode": "11200", "ErrorUrl": f"https://example.com{path}"}
    return await ingress.twiml("/twilio/voice", **error, **fields)


async def test_a_return_whose_webhook_failed_is_carried_out_by_the_fallback(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        path = action_of(await left(ingress))
        document = await failed(ingress, path, DialCallStatus="busy")
        assert said(document) == f"Back: busy, {PERSON}, 0."
        assert action_of(document, "Gather") == "/twilio/turn/3"


async def test_a_conversation_whose_end_failed_is_the_end(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        path = action_of(await left(ingress))
        assert verbs(await failed(ingress, path, DialCallStatus="completed")) == ["Hangup"]


async def test_nobody_is_rung_twice_because_a_return_failed(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        path = action_of(await left(ingress))
        document = await failed(ingress, path)  # a fallback that does not say what has become of it
        assert verbs(document) == ["Gather", "Redirect"]
        assert "back with us" in said(document)


@pytest.mark.parametrize(
    "url", ["https://[/?left=transfer", "/?left=", "https://x/twilio/turn/2?left=x", "left=" + "&" * 200]
)
async def test_no_failed_address_breaks_the_fallback(start_ingress, url):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        await left(ingress)
        document = await ingress.twiml("/twilio/voice", ErrorCode="11200", ErrorUrl=url, DialCallStatus="busy")
        assert verb(document, "Dial/Number").text == PERSON  # as after any document that was lost
