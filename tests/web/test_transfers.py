"""Callers are connected with a person, whoever calls, and in whichever spelling the destination is."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import said, verbs
from twilio.twiml.voice_response import Dial, VoiceResponse

from orchestrator.conversation.actions import Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable

PERSON, OURS, CALLER = "+15557654321", "+15551234567", "+15558675310"
WITHOUT_NUMBER = [
    "client:alice", "sip:alice@pbx.example.com", "+266696687", "anonymous", "Restricted", "", "+7378742833", "8675310",
]  # fmt: skip


def handing_to(to: str | tuple[str, ...], **options: Any):
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "One moment."
        yield Transfer(to, **options)

    return agent


@pytest.mark.parametrize("caller", WITHOUT_NUMBER)
async def test_a_caller_without_a_number_is_connected_under_ours(start_ingress, caller):
    async with start_ingress(agent=handing_to(PERSON)) as ingress:
        ingress.fields |= {"From": caller, "To": OURS}
        dial = (await ingress.begin()).find("Dial")
        assert (dial.get("callerId"), dial.findtext("Number")) == (OURS, PERSON)


async def test_a_caller_with_a_number_shows_it(start_ingress):
    async with start_ingress(agent=handing_to(PERSON)) as ingress:
        dial = (await ingress.begin()).find("Dial")
        assert (dial.get("callerId"), dial.findtext("Number")) == (None, PERSON)


@pytest.mark.parametrize("called", ["sip:desk@example.com", "client:desk", ""])
async def test_where_no_number_was_called_that_of_the_account_is_shown(start_ingress, called):
    async with start_ingress(agent=handing_to(PERSON), twilio_from_number=OURS) as ingress:
        ingress.fields |= {"From": "client:alice", "To": called}
        assert (await ingress.begin()).find("Dial").get("callerId") == OURS


async def test_where_no_number_is_known_at_all_the_log_says_what_to_set(start_ingress, caplog):
    async with start_ingress(agent=handing_to(PERSON)) as ingress:
        ingress.fields |= {"From": "client:alice", "To": "client:desk"}
        with caplog.at_level(logging.WARNING):
            assert (await ingress.begin()).find("Dial").get("callerId") is None
        (line,) = [entry for entry in caplog.records if getattr(entry, "action", "") == "transfer.no_caller_id"]
        assert "TWILIO_FROM_NUMBER" in line.getMessage()


@pytest.mark.parametrize("rung", [CALLER, "client:alice"])
async def test_whom_we_rang_is_connected_under_the_number_that_rang_them(start_ingress, rung):
    async with start_ingress(agent=handing_to(PERSON)) as ingress:
        ingress.fields |= {"From": OURS, "To": rung, "Direction": "outbound-api"}
        assert (await ingress.begin()).find("Dial").get("callerId") == OURS


async def test_a_retry_gets_the_same_document(start_ingress):
    async with start_ingress(agent=handing_to(PERSON)) as ingress:
        ingress.fields |= {"From": "client:alice"}
        assert (await ingress.post("/twilio/voice")).text == (await ingress.post("/twilio/voice")).text


async def test_after_a_relay_a_caller_without_a_number_is_connected_as_well(start_ingress):
    async with start_ingress() as ingress:
        ingress.fields |= {"From": "anonymous"}
        handoff = json.dumps({"to": PERSON})
        dial = (await ingress.twiml("/twilio/relay/ended", SessionStatus="ended", HandoffData=handoff)).find("Dial")
        assert (dial.get("callerId"), dial.findtext("Number")) == (OURS, PERSON)


async def test_a_caller_who_was_held_for_too_long_is_connected_as_well(start_ingress):
    async with start_ingress(transfer_to="(555) 765-4321", twilio_from_number=OURS, timeouts={"hold": 0.0}) as ingress:
        await ingress.begin()
        ingress.fields |= {"From": "+266696687"}
        ingress.trouble(StoreUnavailable())
        dial = (await ingress.twiml("/twilio/turn/1", SpeechResult="hello")).find("Dial")
        assert (dial.get("callerId"), dial.findtext("Number")) == (OURS, PERSON)


async def test_a_client_is_shown_who_calls(start_ingress):
    async with start_ingress(agent=handing_to("client:bob")) as ingress:
        ingress.fields |= {"From": "client:alice"}
        assert (await ingress.begin()).find("Dial").get("callerId") is None


@pytest.mark.parametrize(("written", "path", "dialled"), [
    ("+1 (555) 765-4321", "Dial/Number", PERSON), ("tel:+1-555-765-4321", "Dial/Number", PERSON),
    ("(555) 765-4321", "Dial/Number", "5557654321"),
    ("SIP:desk@pbx.example.com", "Dial/Sip", "sip:desk@pbx.example.com"),
    ("Client:bob", "Dial/Client", "bob"),
])  # fmt: skip
async def test_whom_an_agent_names_is_dialled_in_the_form_that_can_be(start_ingress, written, path, dialled):
    async with start_ingress(agent=handing_to(written)) as ingress:
        assert (await ingress.begin()).findtext(path) == dialled


@pytest.mark.parametrize("nobody", ["hello world", "sip:", "client:", "+", "the front desk", "https://example.com"])
async def test_whom_nobody_can_dial_has_failed_to_answer(start_ingress, nobody, caplog):
    async with start_ingress(agent=handing_to(nobody)) as ingress:
        document = await ingress.begin()
        assert (verbs(document), said(document)) == (["Say", "Redirect"], "One moment.")
        assert "status=failed" in document.findtext("Redirect")
        assert [entry.action for entry in caplog.records if entry.levelno == logging.ERROR] == ["transfer.impossible"]


@pytest.mark.parametrize("caller", ["+15558675310", "client:alice", "anonymous"])
async def test_the_number_that_the_agent_names_is_shown(start_ingress, caller):
    async with start_ingress(agent=handing_to(PERSON, caller_id="+1 (555) 000-9999")) as ingress:
        ingress.fields |= {"From": caller}
        assert (await ingress.begin()).find("Dial").get("callerId") == "+15550009999"


@pytest.mark.parametrize("wrong", ["anonymous", "0", "client:bob", "5557654321", "+266696687"])
async def test_a_number_that_cannot_be_shown_is_not(start_ingress, caplog, wrong):
    async with start_ingress(agent=handing_to(PERSON, caller_id=wrong)) as ingress:
        ingress.fields |= {"From": "client:alice", "To": OURS}
        assert (await ingress.begin()).find("Dial").get("callerId") == OURS
        assert "transfer.bad_caller_id" in [getattr(entry, "action", "") for entry in caplog.records]


async def test_a_number_is_shown_if_anybody_needs_one(start_ingress):
    async with start_ingress(agent=handing_to(("client:bob", PERSON), order="at_once")) as ingress:
        ingress.fields |= {"From": "client:alice", "To": OURS}
        assert (await ingress.begin()).find("Dial").get("callerId") == OURS


async def test_the_document_is_what_the_providers_library_writes(start_ingress):
    options = {"announce": "A <caller> & more", "accept_key": "#", "ring_seconds": 20}
    async with start_ingress(agent=handing_to((PERSON, "sip:desk@pbx.example.com"), **options)) as ingress:
        response = VoiceResponse()
        response.say("One moment.")
        action = "/twilio/turn/1?left=transfer&by=start&key=1&more=1"
        dial = Dial(action=action, method="POST", timeout=20, answer_on_bridge=True)
        dial.number(
            PERSON, url=f"/twilio/transfer/announce?call={ingress.call_sid}&by=start&place=0&key=%23", method="POST"
        )
        response.append(dial)
        assert (await ingress.post("/twilio/voice")).text == response.to_xml()
