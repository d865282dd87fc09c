"""What follows a transfer over webhooks: every word of the provider, with each of the agent's wishes."""

import pytest
from support.ingress import said, verbs
from support.transferring import OTHER, PERSON, action_of, leaving_by, query_of, verb
from support.waiting import wait_until

from orchestrator.conversation.absence import left_by
from orchestrator.conversation.actions import Gather, Record, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.silence import seconds_silent
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn

FAILURES = ["busy", "no-answer", "failed", "canceled"]


async def left(ingress):
    """Let the caller leave; the document that connects them."""
    await ingress.begin()
    return await ingress.twiml("/twilio/turn/1", SpeechResult="a person please")


async def back(ingress, document, status, path="Dial", **fields):
    return await ingress.twiml(action_of(document, path), DialCallStatus=status, **fields)


async def over(ingress):
    async def ended():
        return (await ingress.state()).ended

    assert (await wait_until(ended, "the call has ended")).status == "completed"


async def noted(ingress):
    """The record of the return of a caller who was hung up on."""

    async def find():
        return (await ingress.state()).record_of("turn-2")

    return await wait_until(find, "the return is in the state")


async def kinds(ingress):
    state = await ingress.state()
    return [record.kind for record in state.turns]


@pytest.mark.parametrize("status", FAILURES)
async def test_a_person_who_does_not_answer_brings_the_caller_back_to_the_agent(start_ingress, status):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        document = await back(ingress, await left(ingress), status)
        assert said(document) == f"Back: {status}, {PERSON}, 0."
        assert verbs(document) == ["Gather", "Redirect"]
        assert action_of(document, "Gather") == "/twilio/turn/3"
        assert said(await ingress.twiml("/twilio/turn/3", SpeechResult="again")) == "Still here."
        record = (await ingress.state()).record_of("turn-2")
        assert (record.kind, record.text, record.data) == ("transferred", status, {"to": PERSON, "seconds": 0})


@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_after_a_conversation_the_call_is_over_and_the_agent_is_not_asked(start_ingress, status):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        document = await back(ingress, await left(ingress), status, DialCallDuration="61")
        assert verbs(document) == ["Hangup"]
        record = await noted(ingress)
        assert (record.text, record.data, record.reply.text) == (status, {"to": PERSON, "seconds": 61}, "")
        assert (await ingress.state()).is_active  # until the provider says that it is over


@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_after_a_conversation_the_caller_returns_if_the_agent_wishes(start_ingress, status):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, then="return"))) as ingress:
        document = await back(ingress, await left(ingress), status, DialCallDuration="61")
        assert said(document) == f"Back: {status}, {PERSON}, 61."


@pytest.mark.parametrize("status", FAILURES)
async def test_a_caller_who_is_not_to_come_back_is_hung_up_on(start_ingress, status):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, then="return", on_failure="hang_up"))) as ingress:
        document = await left(ingress)
        assert verbs(await back(ingress, document, status)) == ["Hangup"]
        assert (await noted(ingress)).text == status
        again = [await ingress.post(action_of(document), DialCallStatus=status) for _ in range(2)]
        assert again[0].content == again[1].content
        assert again[0].text.endswith("<Response><Hangup /></Response>")
        assert await kinds(ingress) == ["started", "speech", "transferred"]


async def test_a_transfer_that_is_the_end_in_any_case_has_no_action(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON, on_failure="hang_up"))) as ingress:
        document = await left(ingress)
        assert verbs(document) == ["Say", "Dial", "Hangup"]
        assert "action" not in verb(document, "Dial").attrib


@pytest.mark.parametrize("stored", [{"type": "transfer", "to": PERSON, "reason": "asked"}])
async def test_a_transfer_that_an_older_version_stored_means_the_defaults(stored):
    transfer = Transfer.model_validate(stored)
    assert (transfer.then, transfer.on_failure, transfer.ring_seconds, transfer.targets) == (
        "hang_up", "return", 30, (PERSON,),
    )  # fmt: skip
    assert transfer.model_dump(mode="json") == stored


async def test_a_provider_that_says_no_word_counts_as_one_that_failed(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        path = action_of(await left(ingress))
        assert said(await ingress.twiml(path)) == f"Back: failed, {PERSON}, 0."


@pytest.mark.parametrize("status", ["x" * 5000, "no\nanswer", "\x00", "BUSY ", "né", "<b>"])
async def test_no_word_of_a_provider_breaks_the_turn(start_ingress, status):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        document = await back(ingress, await left(ingress), status, DialCallDuration="9" * 400)
        assert said(document).startswith("Back: ")
        record = (await ingress.state()).record_of("turn-2")
        assert len(record.text) <= 40
        assert record.text.isprintable()
        assert record.data["seconds"] <= 999_999


async def test_the_next_person_is_rung_when_one_does_not_answer(start_ingress):
    transfer = Transfer([PERSON, OTHER, "client:desk"], ring_seconds=12, caller_id="+15550009999")
    async with start_ingress(agent=leaving_by(transfer)) as ingress:
        document = await left(ingress)
        for to, path in ((PERSON, "Number"), (OTHER, "Number"), ("desk", "Client")):
            assert verb(document, f"Dial/{path}").text == to
            assert verb(document, "Dial").get("timeout") == "12"
            assert verb(document, "Dial").get("callerId") == "+15550009999"
            assert action_of(document).startswith("/twilio/turn/2?")
            document = await back(ingress, document, "no-answer")
        assert said(document) == "Back: no-answer, client:desk, 0."
        assert await kinds(ingress) == ["started", "speech", "transferred"]


@pytest.mark.parametrize("status", FAILURES)
async def test_whatever_kept_the_first_from_answering_the_next_one_is_rung(start_ingress, status):
    async with start_ingress(agent=leaving_by(Transfer((PERSON, OTHER), on_failure="hang_up"))) as ingress:
        document = await back(ingress, await left(ingress), status)
        assert verbs(document) == ["Dial", "Hangup"]
        assert verb(document, "Dial/Number").text == OTHER


async def test_nobody_else_is_rung_after_a_conversation(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer((PERSON, OTHER)))) as ingress:
        assert verbs(await back(ingress, await left(ingress), "completed")) == ["Hangup"]


async def test_several_ring_at_once_if_the_agent_wishes(start_ingress):
    transfer = Transfer((PERSON, "sip:desk@pbx.example.com", "client:bob"), order="at_once", then="return")
    async with start_ingress(agent=leaving_by(transfer)) as ingress:
        document = await left(ingress)
        assert [person.tag for person in verb(document, "Dial")] == ["Number", "Sip", "Client"]
        everyone = f"{PERSON}, sip:desk@pbx.example.com, client:bob"
        assert said(await back(ingress, document, "completed")) == f"Back: completed, {everyone}, 0."


async def test_whom_nobody_can_dial_is_passed_over(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(("the desk", PERSON)))) as ingress:
        document = await left(ingress)
        assert verbs(document) == ["Say", "Redirect"]
        document = await ingress.twiml(verb(document, "Redirect").text)
        assert verb(document, "Dial/Number").text == PERSON


async def test_whom_nobody_can_dial_is_told_to_the_agent(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer("the desk"))) as ingress:
        document = await ingress.twiml(verb(await left(ingress), "Redirect").text)
        assert said(document) == "Back: failed, the desk, 0."


async def test_whom_nobody_can_dial_costs_the_caller_one_sentence_if_the_agent_wants_no_return(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer("the desk", on_failure="hang_up"))) as ingress:
        document = await left(ingress)
        assert verbs(document) == ["Say", "Say", "Hangup"]
        assert "nobody can take your call" in said(document)


async def test_a_retry_of_each_webhook_gets_the_same_bytes(start_ingress):
    transfer = Transfer((PERSON, OTHER), announce="A caller.", accept_key="1")
    async with start_ingress(agent=leaving_by(transfer)) as ingress:
        await ingress.begin()
        once = [("/twilio/turn/1", {"SpeechResult": "a person please"})]
        for _ in range(3):
            path, fields = once[-1]
            first, second = [await ingress.post(path, **fields) for _ in range(2)]
            assert first.content == second.content
            if b"<Dial" in first.content:
                action = first.text.partition('action="')[2].partition('"')[0].replace("&amp;", "&")
                once.append((action, {"DialCallStatus": "busy"}))
        assert [query_of(path).get("target") for path, _ in once[1:]] == [None, "1"]
        for path, fields in once:  # also those that come long after
            assert (await ingress.post(path, **fields)).content == (await ingress.post(path, **fields)).content
        assert await kinds(ingress) == ["started", "speech", "transferred"]


async def test_another_outcome_under_the_same_number_changes_nothing(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        document = await left(ingress)
        assert said(await back(ingress, document, "busy")) == f"Back: busy, {PERSON}, 0."
        assert said(await back(ingress, document, "no-answer")) == f"Back: busy, {PERSON}, 0."
        assert await kinds(ingress) == ["started", "speech", "transferred"]


@pytest.mark.parametrize(("status", "seconds"), [("canceled", 0), ("completed", 61)])
async def test_a_caller_who_hangs_up_while_they_are_away_ends_the_call(start_ingress, status, seconds):
    async with start_ingress(agent=leaving_by(Transfer((PERSON, OTHER), then="return"))) as ingress:
        document = await left(ingress)
        answer = await back(ingress, document, status, CallStatus="completed", DialCallDuration=str(seconds))
        assert verbs(answer) == []
        await over(ingress)
        assert await kinds(ingress) == ["started", "speech", "transferred", "ended"]
        record = (await ingress.state()).record_of("turn-2")
        assert (record.text, record.data["seconds"], record.reply.text) == (status, seconds, "")


async def test_an_end_that_came_before_the_action_is_the_end(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        document = await left(ingress)
        assert (await ingress.post("/twilio/status", CallStatus="completed")).status_code == 204
        await over(ingress)
        answer = await back(ingress, document, "no-answer")
        assert verbs(answer) == ["Say", "Hangup"]
        assert await kinds(ingress) == ["started", "speech", "ended"]


async def test_the_status_of_the_persons_leg_ends_no_call_and_begins_none(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(PERSON))) as ingress:
        await left(ingress)
        for status in ("initiated", "ringing", "in-progress", "completed", "no-answer"):
            answer = await ingress.post(
                "/twilio/status", CallSid="CA-leg", ParentCallSid=ingress.call_sid, Direction="outbound-dial",
                CallStatus=status,
            )  # fmt: skip
            assert answer.status_code == 204
        assert await ingress.runtime.states.get_state("CA-leg") is None
        assert (await ingress.state()).is_active
        assert await kinds(ingress) == ["started", "speech"]


@pytest.mark.parametrize(("action", "verb_name"), [(Transfer(PERSON), "Dial"), (Record(), "Record")])
async def test_a_caller_counts_as_away_until_they_are_back_whatever_happens_meanwhile(start_ingress, action, verb_name):
    async with start_ingress(agent=leaving_by(action)) as ingress:
        document = await left(ingress)
        assert left_by(await ingress.state()).turn_id == "turn-1"
        signal = Turn(turn_id="~signal-1", call_sid=ingress.call_sid, kind="signal", text="again")
        pending = await ingress.dispatcher.submit(signal)
        assert await pending.wait(30) is not None
        state = await ingress.state()
        assert left_by(state).turn_id == "turn-1"
        assert seconds_silent(state) > (3600 if verb_name == "Dial" else 120)
        await back(ingress, document, "busy", verb_name)
        assert left_by(await ingress.state()) is None


async def test_a_transfer_by_hand_is_carried_out_by_the_next_webhook_and_comes_back(start_ingress):
    async with start_ingress(agent=leaving_by(Transfer(OTHER))) as ingress:
        await ingress.begin()
        reply = Reply(text="I connect you.", actions=[Transfer((PERSON, OTHER))])
        signal = Turn(turn_id="~signal-1", call_sid=ingress.call_sid, kind="signal", given_reply=reply)
        pending = await ingress.dispatcher.submit(signal)
        assert await pending.wait(30) is not None
        assert left_by(await ingress.state()) is None  # nobody has come for the reply yet
        document = await ingress.twiml("/twilio/turn/1")
        assert (said(document), verb(document, "Dial/Number").text) == ("I connect you.", PERSON)
        assert left_by(await ingress.state()).turn_id == "turn-1"
        document = await back(ingress, document, "busy")
        assert verb(document, "Dial/Number").text == OTHER
        assert said(await back(ingress, document, "busy")) == f"Back: busy, {OTHER}, 0."


@pytest.mark.parametrize(("channel", "by"), [("gather", "turn-1"), ("relay", "turn-1"), ("relay", "~signal-1")])
def test_replies_that_came_by_themselves_bring_nobody_back(channel, by):
    leaving, staying = Reply(actions=[Transfer(PERSON)]), Reply(text="News.")
    turns = dict.fromkeys(("turn-1", "~signal-1", "~timer-1"), staying) | {by: leaving}
    kinds = {"turn-1": "speech", "~signal-1": "signal", "~timer-1": "timer"}
    records = [
        TurnRecord.of(Turn(turn_id=turn_id, call_sid="CA1", kind=kinds[turn_id]), "replied", reply)
        for turn_id, reply in turns.items()
    ]
    assert left_by(ConversationState(call_sid="CA1", channel=channel, turns=records)).turn_id == by


async def connect_secretly(turn, state):
    """Asks for a number, connects with it, and says who that was."""
    if turn.kind == "started":
        yield "Whom do you want to talk to?"
        yield Gather(input="keys", sensitive=True)
    elif turn.kind == "keys":
        yield "One moment."
        yield Transfer(f"+{turn.digits}", announce=f"For {turn.digits}.", accept_key="1")
    else:
        yield f"Back: {turn.text}, {turn.data.get('to')}."


async def test_whom_a_sensitive_turn_names_is_dialled_and_kept_nowhere(start_ingress):
    async with start_ingress(agent=connect_secretly) as ingress:
        asked = await ingress.begin()
        leaving = await ingress.twiml(action_of(asked, "Gather"), Digits=PERSON[1:])
        assert leaving.find("Dial/Number").text == PERSON
        urls = action_of(leaving, "Dial") + leaving.find("Dial/Number").get("url")
        assert PERSON[1:] not in urls
        assert said(await ingress.twiml(leaving.find("Dial/Number").get("url"), CallSid="CA2")).startswith(
            f"For {PERSON[1:]}."
        )
        returned = await back(ingress, leaving, "busy")
        assert said(returned) == f"Back: busy, {PERSON}."
        assert PERSON[1:] not in ingress.turns[-1].model_dump_json()
        assert PERSON[1:] not in (await ingress.state()).model_dump_json()
