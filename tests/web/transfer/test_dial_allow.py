"""With DIAL_ALLOW, agents connect callers only with whom it names, and with TRANSFER_TO."""

import logging

import pytest
from support.ingress import said, verbs
from support.transferring import OTHER, PERSON, action_of, leaving_by, verb

from orchestrator.conversation.actions import Transfer


async def left(ingress):
    await ingress.begin()
    return await ingress.twiml("/twilio/turn/1", SpeechResult="a person please")


@pytest.mark.parametrize("to", ["+19005551234", "+46701740605", "client:bob", "sip:a@10.0.0.1", "5557654321"])
async def test_whom_the_list_does_not_name_is_not_dialled(start_ingress, caplog, to):
    async with start_ingress(agent=leaving_by(Transfer(to)), dial_allow="+44,sip:pbx.example.com") as ingress:
        document = await left(ingress)
        assert verbs(document) == ["Say", "Redirect"]
        with caplog.at_level(logging.WARNING):
            assert said(await ingress.twiml(verb(document, "Redirect").text)).startswith("Back: failed, ")
        (line,) = [entry for entry in caplog.records if getattr(entry, "action", "") == "transfer.refused"]
        assert to not in line.getMessage()


@pytest.mark.parametrize("to", [PERSON, "sip:a@pbx.example.com", "client:bob"])
async def test_whom_the_list_names_is_dialled(start_ingress, to):
    allowed = "+1,sip:pbx.example.com,client:"
    async with start_ingress(agent=leaving_by(Transfer(to)), dial_allow=allowed) as ingress:
        assert verbs(await left(ingress)) == ["Say", "Dial"]


@pytest.mark.parametrize("to", ["+19005551234", "+46701740605", "client:bob", "sip:a@10.0.0.1"])
async def test_without_the_list_an_agent_connects_with_anybody(start_ingress, to):
    async with start_ingress(agent=leaving_by(Transfer(to))) as ingress:
        assert verbs(await left(ingress)) == ["Say", "Dial"]


async def test_the_person_of_the_settings_may_always_be_dialled(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON)), dial_allow="+46", transfer_to=PERSON) as ingress:
        assert verb(await left(ingress), "Dial/Number").text == PERSON


async def test_of_several_at_once_the_others_are_rung(start_ingress):
    transfer = Transfer(("+46701740605", OTHER), order="at_once")
    async with start_ingress(agent=leaving_by(transfer), dial_allow="+1") as ingress:
        assert [person.text for person in verb(await left(ingress), "Dial")] == [OTHER]


async def test_the_next_one_is_rung_after_one_who_is_refused(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(("+46701740605", OTHER))), dial_allow="+1") as ingress:
        document = await ingress.twiml(verb(await left(ingress), "Redirect").text)
        assert verb(document, "Dial/Number").text == OTHER
        assert action_of(document).startswith("/twilio/turn/2?")


async def test_a_caller_who_is_not_to_come_back_is_told_that_nobody_can_be_reached(start_ingress):
    transfer = Transfer("+46701740605", on_failure="hang_up")
    async with start_ingress(agent=leaving_by(transfer), dial_allow="+1") as ingress:
        document = await left(ingress)
        assert verbs(document) == ["Say", "Say", "Hangup"]
        assert "nobody can take your call" in said(document)
