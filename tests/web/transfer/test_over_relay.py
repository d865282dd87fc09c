"""A relay session is left for a person or a message, and the caller comes back to a new one: without a greeting."""

import json
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.ingress import CALL, said, verbs
from support.relay import relay_socket, ticket_in
from support.transferring import OTHER, PERSON, action_of, leaving_by, query_of, verb
from support.waiting import wait_until

from orchestrator.conversation.actions import Record, SetLanguage, Transfer
from orchestrator.errors import StoreUnavailable
from web.ingress import RelayTimeouts
from web.twilio.relay.tickets import read_ticket
from web.twilio.twiml import FILLERS

RELAY = {"voice_channel": "relay"}
URL = "https://api.example.com/Recordings/RE0"


@asynccontextmanager
async def session(ingress, document, session_id, **fields):
    """The session that a document asks for."""
    parameters = {p.attrib["name"]: p.attrib["value"] for p in document.iter("Parameter")}
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, session_id, ticket=parameters.pop("ticket"), customParameters=parameters, **fields)
        yield caller


async def end_of(caller):
    """The handoffData of the frame that ends the session."""
    while (frame := await caller.frame())["type"] != "end":
        pass
    return frame["handoffData"]


async def left(ingress):
    """Let the caller leave their first session; the document that follows it."""
    document = await ingress.twiml("/twilio/voice", CallStatus="ringing")
    async with session(ingress, document, "VX1") as caller:
        assert await caller.reply() == "Hello!"
        await caller.prompt("a person please")
        handoff = await end_of(caller)
    action = verb(document, "Connect").attrib["action"]
    return await ingress.twiml(action, SessionId="VX1", SessionStatus="ended", SessionDuration="9", HandoffData=handoff)


async def kinds(ingress):
    return [record.kind for record in (await ingress.state()).turns]


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
async def test_a_person_who_does_not_answer_brings_the_caller_back_to_the_agent(start_ingress, status):
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), **RELAY) as ingress:
        dial = await left(ingress)
        assert (verbs(dial), verb(dial, "Dial/Number").text) == (["Dial"], PERSON)
        document = await ingress.twiml(action_of(dial), DialCallStatus=status)
        assert verbs(document) == ["Connect"]
        async with session(ingress, document, "VX2") as caller:
            assert await caller.reply() == f"Back: {status}, {PERSON}, 0."
            await caller.prompt("again")
            assert await caller.reply() == "Still here."
        assert await kinds(ingress) == ["started", "speech", "transferred", "speech"]


async def test_after_a_conversation_the_call_is_over(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), **RELAY) as ingress:
        dial = await left(ingress)
        assert verbs(await ingress.twiml(action_of(dial), DialCallStatus="completed")) == ["Hangup"]

        async def is_noted():
            return await kinds(ingress) == ["started", "speech", "transferred"]

        await wait_until(is_noted, "what became of the transfer is in the state")


async def test_the_next_person_is_rung_with_announcement_and_key(start_ingress):
    transfer = Transfer((PERSON, OTHER), announce="A patient.", accept_key="1", then="return", ring_seconds=9)
    async with start_ingress(agent=leaving_by(transfer), **RELAY) as ingress:
        first = await left(ingress)
        second = await ingress.twiml(action_of(first), DialCallStatus="no-answer")
        person = verb(second, "Dial/Number")
        assert (person.text, verb(second, "Dial").get("timeout")) == (OTHER, "9")
        heard = await ingress.twiml(person.attrib["url"], CallSid="CA-leg")
        assert said(heard) == "A patient. Press 1 to take it."
        assert verbs(await ingress.twiml(action_of(heard, "Gather"), CallSid="CA-leg", Digits="1")) == []
        document = await ingress.twiml(action_of(second), DialCallStatus="completed", DialCallDuration="33")
        async with session(ingress, document, "VX2") as caller:
            assert await caller.reply() == f"Back: completed, {OTHER}, 33."


async def test_the_announcement_is_spoken_in_the_calls_language(start_ingress):
    async def agent(turn, state):
        if turn.kind == "started":
            yield "Hello!"
        else:
            yield SetLanguage(speech="sv-SE")
            yield Transfer(PERSON, announce="Ett samtal.")

    async with start_ingress(agent=agent, **RELAY) as ingress:
        person = verb(await left(ingress), "Dial/Number")
        heard = await ingress.twiml(person.attrib["url"], CallSid="CA-leg")
        assert (said(heard), verb(heard, "Say").get("language")) == ("Ett samtal.", "sv-SE")


async def test_a_message_is_recorded_and_the_caller_goes_on(start_ingress):
    async with start_ingress(agent=leaving_by(Record()), **RELAY) as ingress:
        record = await left(ingress)
        assert verbs(record) == ["Record", "Redirect"]
        document = await ingress.twiml(action_of(record, "Record"), RecordingUrl=URL, RecordingDuration="8", Digits="#")
        async with session(ingress, document, "VX2") as caller:
            assert await caller.reply() == "Recorded: RE0, 8."
        assert (await ingress.state()).turns[-1].data == {"url": URL, "seconds": 8}


async def test_silence_is_an_empty_message(start_ingress):
    async with start_ingress(agent=leaving_by(Record()), **RELAY) as ingress:
        document = await ingress.twiml(verb(await left(ingress), "Redirect").text)
        async with session(ingress, document, "VX2") as caller:
            assert await caller.reply() == "Recorded: nothing, 0."


async def test_who_hangs_up_after_their_message_has_left_it(start_ingress):
    async with start_ingress(agent=leaving_by(Record()), **RELAY) as ingress:
        path = action_of(await left(ingress), "Record")
        answer = await ingress.twiml(path, CallStatus="completed", RecordingUrl=URL, RecordingDuration="8")
        assert verbs(answer) == []

        async def ended():
            return (await ingress.state()).ended

        await wait_until(ended, "the call has ended")
        assert await kinds(ingress) == ["started", "speech", "recorded", "ended"]


async def test_a_return_that_is_asked_for_again_is_one_turn(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), **RELAY) as ingress:
        dial = await left(ingress)
        first, second = [await ingress.twiml(action_of(dial), DialCallStatus="busy") for _ in range(2)]
        seal = ingress.app.state.ingress.seal
        one, other = [read_ticket(seal, ticket_in(document)) for document in (first, second)]
        assert one.document.number == other.document.number
        assert one.first_turn.turn_id == other.first_turn.turn_id
        async with session(ingress, second, "VX2") as caller:
            assert await caller.reply() == f"Back: busy, {PERSON}, 0."
        assert await kinds(ingress) == ["started", "speech", "transferred"]


async def test_a_session_that_is_lost_at_once_says_its_first_reply_in_the_next_one(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), **RELAY) as ingress:
        dial = await left(ingress)
        lost = await ingress.twiml(action_of(dial), DialCallStatus="busy")
        action = verb(lost, "Connect").attrib["action"]
        document = await ingress.twiml(action, SessionStatus="failed", SessionDuration="0", ErrorCode="39001")
        async with session(ingress, document, "VX3") as caller:
            assert await caller.reply() == f"Back: busy, {PERSON}, 0."
        assert await kinds(ingress) == ["started", "speech", "transferred"]


async def test_a_return_whose_webhook_failed_is_carried_out_by_the_fallback(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), **RELAY) as ingress:
        error = {"ErrorCode": "11200", "ErrorUrl": f"https://example.com{action_of(await left(ingress))}"}
        document = await ingress.twiml("/twilio/voice", DialCallStatus="busy", **error)
        async with session(ingress, document, "VX2") as caller:
            assert await caller.reply() == f"Back: busy, {PERSON}, 0."


async def test_a_second_transfer_comes_back_as_a_turn_of_its_own(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), **RELAY) as ingress:
        dial = await left(ingress)
        document = await ingress.twiml(action_of(dial), DialCallStatus="busy")
        async with session(ingress, document, "VX2") as caller:
            assert await caller.reply() == f"Back: busy, {PERSON}, 0."
            await caller.prompt("once more")
            handoff = await end_of(caller)
        ended = verb(document, "Connect").attrib["action"]
        dial = await ingress.twiml(ended, SessionStatus="ended", SessionDuration="9", HandoffData=handoff)
        document = await ingress.twiml(action_of(dial), DialCallStatus="no-answer")
        async with session(ingress, document, "VX3") as caller:
            assert await caller.reply() == f"Back: no-answer, {PERSON}, 0."
        ids = [record.turn_id for record in (await ingress.state()).turns if record.kind == "transferred"]
        assert len(set(ids)) == 2
        assert all(turn_id.startswith("~returned-") for turn_id in ids)


async def test_who_was_to_be_told_of_it_may_be_told_while_the_store_was_down(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), **RELAY) as ingress:
        dial = await left(ingress)
        ingress.trouble(StoreUnavailable())
        document = await ingress.twiml(action_of(dial), DialCallStatus="busy")
        assert verbs(document) == ["Connect"]
        ingress.trouble(None)
        async with session(ingress, document, "VX2") as caller:
            assert await caller.reply() == f"Back: busy, {PERSON}, 0."


async def test_a_caller_whose_return_cannot_be_stored_yet_is_held_in_the_new_session(start_ingress):
    timeouts = {"wait": 0.0, "relay": RelayTimeouts(store=0.05)}
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), timeouts=timeouts, **RELAY) as ingress:
        dial = await left(ingress)
        ingress.trouble(StoreUnavailable())
        document = await ingress.twiml(action_of(dial), DialCallStatus="busy")
        async with session(ingress, document, "VX2") as caller:
            assert await caller.reply() in FILLERS
            ingress.trouble(None)
            while (heard := await caller.reply()) in FILLERS:
                pass
            assert heard == f"Back: busy, {PERSON}, 0."


@pytest.mark.parametrize("handoff", [
    {"to": PERSON}, {"to": f"  {PERSON} ", "turn_id": "", "action": {"type": "transfer", "to": OTHER}},
    {"to": PERSON, "turn_id": 7, "action": {}}, {"to": PERSON, "turn_id": "VX1-1", "action": {"type": "dance"}},
    {"to": PERSON, "turn_id": "x" * 300, "action": {"type": "transfer", "to": OTHER}},
])  # fmt: skip
async def test_a_session_of_an_older_version_connects_its_caller_too(start_ingress, handoff):
    async with start_ingress(**RELAY) as ingress:
        data = json.dumps(handoff)
        document = await ingress.twiml("/twilio/relay/ended", SessionStatus="ended", HandoffData=data)
        assert verb(document, "Dial/Number").text == PERSON
        assert query_of(action_of(document)) == {"left": "apology"}


@pytest.mark.parametrize("handoff", ["", "[]", "nope", "{}", "[" * 5000, '{"to": 5}', '{"to": ""}', '{"to": "nobody"}'])
async def test_no_handoff_data_breaks_the_end_of_a_session(start_ingress, handoff):
    async with start_ingress(**RELAY) as ingress:
        document = await ingress.twiml("/twilio/relay/ended", SessionStatus="ended", HandoffData=handoff)
        assert verbs(document) == ["Hangup"]


async def test_an_older_ingress_at_the_return_says_that_the_caller_is_back(start_ingress):
    """It does not know the query, and its route is `/twilio/voice`."""
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), **RELAY) as ingress:
        dial = await left(ingress)
        path = urlsplit(action_of(dial)).path
        assert path == "/twilio/voice"
        assert dict(parse_qsl(urlsplit(action_of(dial)).query))["left"] == "transfer"
        document = await ingress.twiml(path, DialCallStatus="busy")
        async with session(ingress, document, "VX2") as caller:
            assert "back with us" in await caller.reply()
