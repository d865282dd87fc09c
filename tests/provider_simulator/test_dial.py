"""Transfers: who is rung, what they hear and press, and what the server learns of it."""

import asyncio

import pytest
from support.calls import hold
from twilio.request_validator import RequestValidator

from orchestrator.provider_simulator import (
    CallIdentity,
    Colleague,
    ColleagueHeard,
    ColleaguePressed,
    Colleagues,
    Connected,
    Dialled,
    HungUp,
    PhoneLine,
    PlaybackSpeed,
    Problem,
    Ringing,
    Said,
)
from orchestrator.provider_simulator.colleagues import Behaviour, key_named_in

ADA, BOB = "+15550003333", "+15550004444"
BYE = "<Say>Goodbye.</Say><Hangup/>"
ANNOUNCE = (
    '<Gather numDigits="1" action="/accepted"><Say>A caller for you. To take the call, press 5.</Say></Gather><Hangup/>'
)


def dial(*targets: str, attributes: str = "") -> str:
    return f'<Dial action="/dialled" {attributes}>{"".join(targets)}</Dial><Say>Nobody asked for this.</Say>'


def number(to: str, url: str = "") -> str:
    return f'<Number url="{url}">{to}</Number>' if url else f"<Number>{to}</Number>"


def behaving(**of: Behaviour) -> Colleagues:
    numbers = {"ada": ADA, "bob": BOB}
    return Colleagues({numbers[name]: Colleague(behaviour) for name, behaviour in of.items()})


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("does-not-answer", "no-answer"), ("is-busy", "busy"), ("fails", "failed"), ("declines", "busy")],
)
async def test_nobody_is_connected(serve, behaviour: Behaviour, status: str) -> None:
    server = await serve({"/twilio/voice": dial(number(ADA)), "/dialled": BYE})
    events = await hold(PhoneLine(server.url, colleagues=behaving(ada=behaviour)))
    assert events[:2] == [Ringing(ADA, "+15558675310"), Dialled(ADA, status)]
    form = server.webhooks[1].form
    assert (form["DialCallStatus"], form["DialBridged"]) == (status, "false")
    assert "DialCallDuration" not in form
    assert [event.text for event in events if isinstance(event, Said)] == ["Goodbye."]


async def test_somebody_who_answers_is_connected_and_the_action_learns_how_long(serve) -> None:
    server = await serve({"/twilio/voice": dial(number(ADA)), "/dialled": BYE})
    events = await hold(PhoneLine(server.url, colleagues=Colleagues(rest=Colleague(talk_seconds=0.01))))
    assert events[:3] == [Ringing(ADA, "+15558675310"), Connected(ADA), Dialled(ADA, "completed")]
    form = server.webhooks[1].form
    assert (form["DialCallStatus"], form["DialCallDuration"], form["DialBridged"]) == ("completed", "0", "true")
    assert form["DialCallSid"] != form["CallSid"]


async def test_without_an_action_the_next_verb_follows(serve) -> None:
    server = await serve({"/twilio/voice": f"<Dial>{ADA}</Dial><Say>Sorry.</Say>"})
    events = await hold(PhoneLine(server.url, colleagues=behaving(ada="is-busy")))
    assert Said("Sorry.") in events


@pytest.mark.parametrize(("shown", "seen"), [("", "+15558675310"), ('callerId="+15551234567"', "+15551234567")])
async def test_the_colleague_hears_the_announcement_and_accepts(serve, shown: str, seen: str) -> None:
    server = await serve(
        {
            "/twilio/voice": dial(number(ADA, "/announce?x=1"), attributes=shown),
            "/announce": ANNOUNCE,
            "/accepted": "<Say>Here they are.</Say>",
            "/dialled": BYE,
        }
    )
    line = PhoneLine(server.url, "12345")
    events = await hold(line)
    assert events[:6] == [
        Ringing(ADA, seen),
        ColleagueHeard(ADA, "A caller for you. To take the call, press 5."),
        ColleaguePressed(ADA, "5"),
        ColleagueHeard(ADA, "Here they are."),
        Connected(ADA),
        Dialled(ADA, "completed"),
    ]
    announced, accepted, dialled = server.webhooks[1:4]
    assert RequestValidator("12345").validate(announced.url, announced.form, announced.headers["x-twilio-signature"])
    assert announced.form["CallSid"] == accepted.form["CallSid"] == dialled.form["DialCallSid"]
    assert announced.form["ParentCallSid"] == dialled.form["CallSid"] == line.call_sid
    assert (announced.form["From"], announced.form["To"], announced.form["Direction"]) == (seen, ADA, "outbound-dial")
    assert accepted.form["Digits"] == "5"


async def test_a_colleague_who_presses_nothing_has_declined(serve) -> None:
    documents = {"/twilio/voice": dial(number(ADA, "/announce")), "/announce": ANNOUNCE, "/dialled": BYE}
    server = await serve(documents)
    events = await hold(PhoneLine(server.url, colleagues=behaving(ada="declines")))
    assert events[-3:-1] == [Dialled(ADA, "completed", is_declined=True), Said("Goodbye.")]
    form = server.webhooks[-2].form
    assert (form["DialCallStatus"], form["DialBridged"]) == ("completed", "false")
    assert "/accepted" not in server.paths()


async def test_a_provider_may_say_that_a_person_who_declined_did_not_answer(serve) -> None:
    server = await serve({"/twilio/voice": dial(number(ADA, "/announce")), "/announce": ANNOUNCE, "/dialled": BYE})
    declining = Colleagues(rest=Colleague("declines"), status_when_declined="no-answer")
    await hold(PhoneLine(server.url, colleagues=declining))
    form = server.webhooks[-2].form
    assert (form["DialCallStatus"], form["DialBridged"]) == ("no-answer", "false")


async def test_the_wrong_key_is_posted_too(serve) -> None:
    server = await serve(
        {
            "/twilio/voice": dial(number(ADA, "/announce")),
            "/announce": ANNOUNCE,
            "/accepted": "<Hangup/>",
            "/dialled": BYE,
        }
    )
    await hold(PhoneLine(server.url, colleagues=Colleagues(rest=Colleague(keys="9"))))
    assert [hook.form["Digits"] for hook in server.webhooks if hook.path == "/accepted"] == ["9"]
    assert server.webhooks[-2].form["DialBridged"] == "false"


async def test_an_announcement_that_fails_connects_nobody(serve) -> None:
    server = await serve({"/twilio/voice": dial(number(ADA, "/gone")), "/dialled": BYE})
    events = await hold(PhoneLine(server.url))
    assert [event for event in events if isinstance(event, Problem)]
    assert server.webhooks[-2].form["DialBridged"] == "false"


async def test_several_ring_at_once_and_the_first_to_accept_is_connected(serve) -> None:
    server = await serve({"/twilio/voice": dial(number(ADA), number(BOB)), "/dialled": BYE})
    events = await hold(PhoneLine(server.url, colleagues=behaving(ada="is-busy")))
    assert {event.to for event in events if isinstance(event, Ringing)} == {ADA, BOB}
    assert Dialled(BOB, "completed") in events


async def test_nobody_else_rings_any_longer_once_one_has_accepted(serve) -> None:
    server = await serve({"/twilio/voice": dial(number(ADA), number(BOB)), "/dialled": BYE})
    colleagues = Colleagues({ADA: Colleague("does-not-answer")}, rest=Colleague())
    line = PhoneLine(server.url, colleagues=colleagues, speed=PlaybackSpeed(longest_ring_seconds=3600))
    async for event in line.call():
        if isinstance(event, Dialled):
            assert event.to == BOB
            assert not [task for task in asyncio.all_tasks() if task.get_name() == f"ring {ADA}"]


async def test_of_several_who_were_not_reached_one_status_is_told(serve) -> None:
    server = await serve({"/twilio/voice": dial(number(ADA), number(BOB)), "/dialled": BYE})
    events = await hold(PhoneLine(server.url, colleagues=behaving(ada="is-busy", bob="does-not-answer")))
    assert Dialled(f"{ADA}, {BOB}", "no-answer") in events


async def test_they_ring_one_after_the_other_where_the_document_says_so(serve) -> None:
    server = await serve(
        {"/twilio/voice": dial(number(ADA), number(BOB), attributes='sequential="true"'), "/dialled": BYE}
    )
    events = await hold(PhoneLine(server.url))
    assert [event.to for event in events if isinstance(event, Ringing)] == [ADA]


@pytest.mark.parametrize("caller", ["client:ada", "anonymous", "sip:ada@example.com"])
async def test_a_caller_without_a_number_needs_a_caller_id(serve, caller: str) -> None:
    server = await serve({"/twilio/voice": dial(number(ADA)), "/dialled": BYE})
    events = await hold(PhoneLine(server.url, identity=CallIdentity(from_number=caller)))
    assert [event for event in events if isinstance(event, Problem) and "13214" in event.text]
    assert server.webhooks[1].form["DialCallStatus"] == "failed"
    assert isinstance(events[-1], HungUp)


async def test_clients_and_sip_addresses_may_see_any_caller(serve) -> None:
    targets = dial("<Client>bob</Client>", "<Sip>sip:ada@example.com</Sip>")
    server = await serve({"/twilio/voice": targets, "/dialled": BYE})
    events = await hold(PhoneLine(server.url, identity=CallIdentity(from_number="client:ada")))
    rung = {event.to for event in events if isinstance(event, Ringing)}
    assert rung == {"client:bob", "sip:ada@example.com"}


@pytest.mark.parametrize(
    ("announcement", "key"),
    [
        ("Press 1 to accept", "1"),
        ("press the star key", "*"),
        ("Press 2 now. Or press 7.", "7"),
        ("Hello", "1"),
        ("5 connects you.", "5"),
    ],
)
def test_the_key_is_the_one_that_the_announcement_names(announcement: str, key: str) -> None:
    assert key_named_in(announcement) == key
