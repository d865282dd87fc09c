"""What the person hears before the caller is connected, on a leg of their own, and how they take the call."""

import pytest
from support.ingress import said, verbs
from support.transferring import OTHER, PERSON, action_of, leaving_by, verb
from support.waiting import wait_until

from orchestrator.conversation.actions import SetLanguage, Transfer
from orchestrator.errors import StoreUnavailable

LEG, SECOND = "CA-leg-1", "CA-leg-2"
WORDS = "A patient about a booking."


async def ringing(ingress):
    await ingress.begin()
    return await ingress.twiml("/twilio/turn/1", SpeechResult="a person please")


async def pick_up(ingress, document, leg=LEG, place=0):
    """What the person at that place hears who picks up."""
    person = list(verb(document, "Dial"))[place]
    return await ingress.twiml(person.attrib["url"], CallSid=leg, Direction="outbound-dial", From="+1999", To=PERSON)


async def press(ingress, heard, digits, leg=LEG):
    path = action_of(heard, "Gather")
    return await ingress.twiml(path, CallSid=leg, Direction="outbound-dial", Digits=digits)


async def back(ingress, document, **fields):
    return await ingress.twiml(
        action_of(document), **{"DialCallStatus": "completed", "DialCallDuration": "9", **fields}
    )


async def is_untouched(ingress):
    """True if the webhooks of the person's leg have begun no call, and brought no turn."""
    states = ingress.runtime.states
    legs = [await states.get_state(leg) for leg in (LEG, SECOND)]
    return legs == [None, None] and [turn.call_sid for turn in ingress.turns] == [ingress.call_sid] * 2


async def test_the_announcement_is_whispered_to_the_person(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, announce=WORDS))) as ingress:
        document = await ringing(ingress)
        assert WORDS not in said(document)
        assert "booking" not in verb(document, "Dial/Number").attrib["url"]
        heard = await pick_up(ingress, document)
        assert (verbs(heard), said(heard)) == (["Say"], WORDS)
        assert await is_untouched(ingress)


async def test_a_transfer_without_announcement_asks_the_person_nothing(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        assert "url" not in verb(await ringing(ingress), "Dial/Number").attrib


@pytest.mark.parametrize(("to", "noun"), [
    (PERSON, "Number"), ("sip:desk@pbx.example.com", "Sip"), ("client:bob", "Client"),
])  # fmt: skip
async def test_every_kind_of_telephone_hears_it(start_ingress, to, noun):
    async with start_ingress(agent=leaving_by(Transfer(to, announce=WORDS))) as ingress:
        person = verb(await ringing(ingress), f"Dial/{noun}")
        assert said(await ingress.twiml(person.attrib["url"], CallSid=LEG)) == WORDS


@pytest.mark.parametrize("key", ["1", "*", "#", "0"])
async def test_the_call_is_taken_with_the_key(start_ingress, key):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, announce=WORDS, accept_key=key))) as ingress:
        document = await ringing(ingress)
        heard = await pick_up(ingress, document)
        assert verbs(heard) == ["Gather", "Hangup"]
        assert verb(heard, "Gather").get("finishOnKey") == ""
        assert said(heard).startswith(WORDS)
        assert "Press" in said(heard)
        assert verbs(await press(ingress, heard, key)) == []
        assert await is_untouched(ingress)
        assert verbs(await back(ingress, document, DialCallSid=LEG)) == ["Hangup"]


@pytest.mark.parametrize("digits", ["2", "", "11"])
async def test_who_presses_another_key_has_declined(start_ingress, digits):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, accept_key="1"))) as ingress:
        document = await ringing(ingress)
        heard = await pick_up(ingress, document)
        assert verbs(await press(ingress, heard, digits)) == ["Hangup"]
        assert said(await back(ingress, document, DialCallSid=LEG)) == f"Back: declined, {PERSON}, 0."


@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_a_machine_that_answers_has_declined(start_ingress, status):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, accept_key="1"))) as ingress:
        document = await ringing(ingress)
        await pick_up(ingress, document)
        assert said(await back(ingress, document, DialCallStatus=status)) == f"Back: declined, {PERSON}, 0."


async def test_who_hangs_up_during_the_announcement_has_declined_where_the_provider_says_so(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, announce=WORDS))) as ingress:
        document = await ringing(ingress)
        await pick_up(ingress, document)
        assert said(await back(ingress, document, DialBridged="false")) == f"Back: declined, {PERSON}, 0."


async def test_the_next_person_is_rung_when_one_declines(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer((PERSON, OTHER), accept_key="1", then="return"))) as ingress:
        first = await ringing(ingress)
        assert verbs(await press(ingress, await pick_up(ingress, first), "3")) == ["Hangup"]
        second = await back(ingress, first, DialCallSid=LEG)
        assert verb(second, "Dial/Number").text == OTHER
        assert verbs(await press(ingress, await pick_up(ingress, second, SECOND), "1", SECOND)) == []
        assert said(await back(ingress, second, DialCallSid=SECOND)) == f"Back: completed, {OTHER}, 9."


@pytest.mark.parametrize("fields", [{"DialCallSid": SECOND}, {}])
async def test_of_several_rung_at_once_the_agent_learns_who_took_the_call(start_ingress, fields):
    transfer = Transfer((PERSON, OTHER), order="at_once", accept_key="1", then="return")
    async with start_ingress(agent=leaving_by(transfer)) as ingress:
        document = await ringing(ingress)
        await pick_up(ingress, document)
        assert verbs(await press(ingress, await pick_up(ingress, document, SECOND, 1), "1", SECOND)) == []
        assert said(await back(ingress, document, **fields)) == f"Back: completed, {OTHER}, 9."


async def test_an_announcement_tells_who_of_several_answered_as_well(start_ingress):
    transfer = Transfer((PERSON, OTHER), order="at_once", announce=WORDS, then="return")
    async with start_ingress(agent=leaving_by(transfer)) as ingress:
        document = await ringing(ingress)
        await pick_up(ingress, document)
        await pick_up(ingress, document, SECOND, 1)
        assert said(await back(ingress, document, DialCallSid=SECOND)) == f"Back: completed, {OTHER}, 9."


async def test_of_several_who_all_declined_the_agent_learns_that(start_ingress):
    transfer = Transfer((PERSON, OTHER), order="at_once", accept_key="1", then="return")
    async with start_ingress(agent=leaving_by(transfer)) as ingress:
        document = await ringing(ingress)
        await pick_up(ingress, document)
        assert said(await back(ingress, document)) == f"Back: declined, {PERSON}, {OTHER}, 0."


async def test_webhooks_of_the_leg_may_come_again_and_in_any_order(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, accept_key="1", then="return"))) as ingress:
        document = await ringing(ingress)
        heard = await pick_up(ingress, document)
        for _ in range(2):
            assert verbs(await press(ingress, heard, "1")) == []
        again = await pick_up(ingress, document)  # a retry that comes late
        assert said(again) == said(heard)
        assert said(await back(ingress, document, DialCallSid=LEG)) == f"Back: completed, {PERSON}, 9."
        # The leg's webhooks after the caller is back change nothing.
        assert verbs(await press(ingress, heard, "1")) == []
        assert said(await back(ingress, document, DialCallSid=LEG)) == f"Back: completed, {PERSON}, 9."


async def test_the_caller_back_before_the_announcement_has_ended_has_been_declined(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, accept_key="1"))) as ingress:
        document = await ringing(ingress)
        heard = await pick_up(ingress, document)
        assert said(await back(ingress, document, DialCallStatus="no-answer")) == f"Back: no-answer, {PERSON}, 0."
        assert verbs(await press(ingress, heard, "1")) == []


async def test_nothing_is_announced_once_the_caller_has_hung_up(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, announce=WORDS))) as ingress:
        document = await ringing(ingress)
        await ingress.post("/twilio/status", CallStatus="completed")

        async def ended():
            return (await ingress.state()).ended

        await wait_until(ended, "the call has ended")
        assert verbs(await pick_up(ingress, document)) == ["Hangup"]


async def test_while_the_store_is_down_the_person_hears_that_there_is_a_call(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, announce=WORDS, accept_key="1"))) as ingress:
        document = await ringing(ingress)

        async def fail(call_sid):
            raise StoreUnavailable

        ingress.runtime.states.get_state = fail
        heard = await pick_up(ingress, document)
        assert said(heard) == "You have a call. Press 1 to take it."


@pytest.mark.parametrize(("words", "said_with_it"), [
    ("Press 1 please.", "Press 1 please."), ("Room 12.", "Room 12. Press 1 to take it."),
])  # fmt: skip
async def test_who_names_the_key_is_not_doubled(start_ingress, words, said_with_it):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, announce=words, accept_key="1"))) as ingress:
        assert said(await pick_up(ingress, await ringing(ingress))) == said_with_it


async def test_the_announcement_is_spoken_in_the_calls_language(start_ingress):
    async def agent(turn, state):
        yield SetLanguage(speech="sv-SE")
        yield Transfer(PERSON, announce="Ett samtal.", accept_key="1")

    async with start_ingress(agent=agent) as ingress:
        document = await ingress.begin()
        heard = await ingress.twiml(verb(document, "Dial/Number").attrib["url"], CallSid=LEG)
        assert verb(heard, "Gather/Say").get("language") == "sv-SE"


@pytest.mark.parametrize(
    "query", ["x=1", "call=CA1", "call=&by=x", "call=" + "x" * 5000, "call=CA1&by=x&key=ab", "call=CA1&key=%F0"]
)
async def test_an_address_that_is_none_of_ours_connects_nobody(ingress, query):
    for path in ("announce", "accept"):
        answer = await ingress.twiml(f"/twilio/transfer/{path}?{query}", Digits="1")
        assert verbs(answer) in (["Hangup"], ["Say"])
    assert ingress.turns == []
