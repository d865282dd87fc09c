"""Signals into a live call over webhooks, and what a person says and does in the agent's place."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.ingress import redirect_of, said, verbs
from support.waiting import wait_until

from orchestrator.clock import utc_now
from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.rest_api import CallUpdate, Fault, RestApi, serve_rest_api
from web.twilio.twiml import GOODBYE

ACCOUNT, TOKEN = "AC" + "1" * 32, "12345"


async def told(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Says what each turn is about."""
    match turn.kind:
        case "started":
            yield "Hello!"
        case "signal" if turn.text == "bye":
            yield "Goodbye then."
            yield HangUp()
        case "signal":
            yield f"News: {turn.text} {json.dumps(turn.data)}."
        case "silence":
            yield "Are you there?"
        case _:
            yield f"You said {turn.text}."


@dataclass
class SimulatedCall:
    """The provider's side of the call: it notes how it was updated."""

    identity: CallIdentity
    status: Any = "in-progress"
    updates: list[CallUpdate] = field(default_factory=list)

    def update(self, update: CallUpdate) -> None:
        self.updates.append(update)


@pytest.fixture
async def provider() -> AsyncIterator[RestApi]:
    async with serve_rest_api(RestApi(ACCOUNT, TOKEN)) as api:
        yield api


@pytest.fixture
def with_provider(start_ingress, provider: RestApi):
    """Start an ingress that reaches the simulated provider."""

    def start(**options: Any) -> Any:
        provided = {"twilio_account_sid": ACCOUNT, "twilio_api_base_url": provider.url, "timeouts": {"store": 0.5}}
        return start_ingress(**{"agent": told} | provided | options)

    return start


def live(provider: RestApi, call_sid: str) -> SimulatedCall:
    call = SimulatedCall(CallIdentity(call_sid=call_sid))
    provider.calls.add(call)
    return call


async def signal(ingress, signal_id="s1", name="late", **fields):
    body = {"signal_id": signal_id, "name": name, **fields}
    return await ingress.client.post(f"/calls/{ingress.call_sid}/signals", json=body)


async def asked_for(call: SimulatedCall, count: int = 1) -> str:
    """Wait until the provider was asked to come; the path at which it is to."""
    await wait_until(lambda: len(call.updates) >= count, "the call is updated")
    parts = urlsplit(call.updates[-1].url)
    return f"{parts.path}?{parts.query}"


@pytest.fixture
async def ingress(start_ingress):
    async with start_ingress(agent=told) as ingress:
        await ingress.begin()
        yield ingress


async def test_a_signal_is_a_turn_of_the_call_and_is_answered(ingress) -> None:
    answer = await signal(ingress, data={"minutes": 20})
    assert answer.status_code == 200
    assert answer.json() == {
        "call_sid": ingress.call_sid,
        "turn_id": "~signal-s1",
        "outcome": "replied",
        "reply": {"text": 'News: late {"minutes": 20}.', "actions": []},
        "delivery": "next_webhook",
    }
    record = (await ingress.state()).turns[-1]
    assert (record.kind, record.text, record.data) == ("signal", "late", {"minutes": 20})


async def test_a_signal_happens_once_however_often_and_wherever_it_is_sent(ingress) -> None:
    answers = await asyncio.gather(*(signal(ingress) for _ in range(5)))
    answers.append(await ingress.client.post(f"/calls/{ingress.call_sid}/say", json={"signal_id": "s1", "text": "no"}))
    assert len({answer.content for answer in answers}) == 1
    assert [record.kind for record in (await ingress.state()).turns] == ["started", "signal"]


async def test_the_caller_hears_it_before_the_reply_to_their_next_words_once(ingress) -> None:
    await signal(ingress, "s1", "first")
    await signal(ingress, "s2", "second")
    answers = [(await ingress.post("/twilio/turn/1", SpeechResult="hello")).content for _ in range(3)]
    assert len(set(answers)) == 1
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
    assert said(document) == "News: first {}. News: second {}. You said hello."
    assert said(await ingress.twiml("/twilio/turn/2", SpeechResult="more")) == "You said more."


async def test_the_caller_hears_it_at_latest_when_they_have_been_silent(ingress) -> None:
    await signal(ingress)
    document = await ingress.twiml("/twilio/turn/1")
    assert (said(document), redirect_of(document)) == ("News: late {}.", "/twilio/turn/2")
    assert said(await ingress.twiml("/twilio/turn/2")) == "Are you there?"


async def test_what_is_said_by_hand_comes_from_a_person(ingress) -> None:
    answer = await ingress.client.post(
        f"/calls/{ingress.call_sid}/say", json={"signal_id": "s1", "text": "The doctor is here."}
    )
    assert answer.json()["reply"]["text"] == "The doctor is here."
    assert said(await ingress.twiml("/twilio/turn/1")) == "The doctor is here."


async def test_a_call_that_comes_back_hears_what_is_unheard(ingress) -> None:
    await ingress.twiml("/twilio/turn/1", SpeechResult="one")
    await signal(ingress)
    document = await ingress.twiml("/twilio/voice")
    assert (said(document), redirect_of(document)) == ("News: late {}.", "/twilio/turn/3")


async def test_a_mere_retry_of_the_first_webhook_stays_one_after_a_signal(ingress) -> None:
    await signal(ingress)
    assert said(await ingress.twiml("/twilio/voice", CallStatus="ringing")) == "Hello!"


async def test_an_agent_that_ends_the_call_is_heard_before_it_is_over(ingress) -> None:
    await signal(ingress, name="bye")
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
    assert (said(document), verbs(document)[-1]) == ("Goodbye then.", "Hangup")


async def test_a_person_hangs_up(ingress) -> None:
    answer = await ingress.client.post(f"/calls/{ingress.call_sid}/hang-up", json={"reason": "abuse"})
    assert answer.json()["reply"]["actions"] == [{"type": "hang_up", "reason": "abuse"}]
    assert (await ingress.state()).ended is not None
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
    assert (said(document), verbs(document)) == ("", ["Hangup"])


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("signals", {}, 422, "name"),
        ("signals", {"name": ""}, 422, "name"),
        ("signals", {"name": "a", "data": [1]}, 422, "data"),
        ("signals", {"name": "a", "signal_id": "x" * 201}, 422, "signal_id"),
        ("signals", {"name": "a", "signal_id": "a\nb"}, 422, "signal_id"),
        ("signals", {"name": "a", "turn_id": "b"}, 422, "turn_id"),
        ("signals", {"name": "\ud800"}, 422, "name"),
        ("say", {"text": ""}, 422, "text"),
        ("say", {"text": "x" * 4001}, 422, "text"),
        ("transfer", {"to": "nobody"}, 422, "to"),
        ("transfer", {"to": "+15551234567", "ring_seconds": 1}, 422, "ring_seconds"),
        ("hang-up", {"reason": "x" * 201}, 422, "reason"),
        ("signals", "text", 400, "object"),
    ],
)
async def test_bad_fields_are_refused_with_one_sentence(ingress, path, body, status, word) -> None:
    answer = await ingress.client.post(
        f"/calls/{ingress.call_sid}/{path}", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status
    assert word in answer.json()["error"]
    assert len((await ingress.state()).turns) == 1


async def test_who_may_not_be_dialled_is_not_connected_by_hand(start_ingress) -> None:
    async with start_ingress(agent=told, dial_allow="+46", twilio_from_number="+15551230000") as ingress:
        await ingress.begin()
        for to, status in (("+15551234567", 422), ("+46701740605", 200)):
            answer = await ingress.client.post(f"/calls/{ingress.call_sid}/transfer", json={"to": to})
            assert answer.status_code == status, answer.text


async def test_a_client_cannot_name_a_turn_like_a_signal(ingress) -> None:
    answer = await ingress.client.post(
        f"/calls/{ingress.call_sid}/turns", json={"turn_id": "~signal-s1", "text": "hello"}
    )
    assert answer.status_code == 422


async def test_unknown_ended_and_unreachable_calls_answer_as_for_text_turns(ingress) -> None:
    unknown = await ingress.client.post("/calls/nobody/signals", json={"name": "late"})
    assert unknown.status_code == 404
    assert await ingress.runtime.states.get_state("nobody") is None
    ingress.trouble(StoreUnavailable())
    assert (await signal(ingress)).status_code == 503
    ingress.trouble(None)
    await ingress.client.post(f"/calls/{ingress.call_sid}/hang-up", json={})
    assert (await signal(ingress)).status_code == 410


async def test_a_text_conversation_gets_the_answer_at_once(start_ingress) -> None:
    async with start_ingress(agent=told) as ingress:
        await ingress.client.post("/calls/chat/turns", json={"kind": "started"})
        answer = await ingress.client.post("/calls/chat/signals", json={"name": "late", "interrupt": True})
        assert answer.json()["delivery"] == "answer"
        again = await ingress.client.post("/calls/chat/turns", json={"text": "hello"})
        assert again.json()["reply"]["text"] == "You said hello."


async def test_a_signal_may_be_streamed(ingress) -> None:
    answer = await ingress.client.post(
        f"/calls/{ingress.call_sid}/signals", json={"name": "late"}, headers={"Accept": "text/event-stream"}
    )
    assert 'event: reply\ndata: {"call_sid"' in answer.text


async def test_an_interrupting_signal_has_the_provider_come_and_say_it(with_provider, provider) -> None:
    async with with_provider(public_base_url="https://calls.example", api_key="secret") as ingress:
        ingress.client.headers["Authorization"] = "Bearer secret"
        call = live(provider, ingress.call_sid)
        start = TurnRecord(turn_id="start", kind="started", received_at=utc_now(), outcome="replied")
        await ingress.runtime.states.create_state(ingress.call_sid, channel="gather", turns=[start])
        assert (await signal(ingress, interrupt=True)).json()["delivery"] == "live_update"
        path = await asked_for(call)
        assert (call.updates[0].url, call.updates[0].method) == (f"https://calls.example{path}", "POST")
        assert path == "/twilio/turn/1?continue=1"


async def test_what_the_provider_has_come_for_is_said_once(with_provider, provider) -> None:
    async with with_provider() as ingress:
        call = live(provider, ingress.call_sid)
        await ingress.begin()
        await signal(ingress, "s1", "first")
        assert (await signal(ingress, "s2", "second", interrupt=True)).json()["delivery"] == "live_update"
        path = await asked_for(call)
        answers = [(await ingress.post(path)).content for _ in range(2)]
        assert answers[0] == answers[1]
        document = await ingress.twiml(path)
        assert said(document) == "News: first {}. News: second {}."
        assert redirect_of(document) == "/twilio/turn/2"
        await signal(ingress, "s3", "third", interrupt=True)
        document = await ingress.twiml(await asked_for(call, 2))
        assert (said(document), redirect_of(document)) == ("News: third {}.", "/twilio/turn/3")
        assert said(await ingress.twiml("/twilio/turn/3", SpeechResult="hello")) == "You said hello."


async def test_words_that_came_first_are_answered_again_with_all_before_them(with_provider, provider) -> None:
    async with with_provider() as ingress:
        call = live(provider, ingress.call_sid)
        await ingress.begin()
        await signal(ingress, interrupt=True)
        path = await asked_for(call)
        said_before = said(await ingress.twiml("/twilio/turn/1", SpeechResult="hello"))
        document = await ingress.twiml(path)
        assert said(document) == said_before == "News: late {}. You said hello."
        assert redirect_of(document) == "/twilio/turn/2"


async def test_a_provider_that_comes_for_nothing_only_listens(with_provider, provider) -> None:
    async with with_provider() as ingress:
        call = live(provider, ingress.call_sid)
        await ingress.begin()
        await signal(ingress, interrupt=True)
        path = await asked_for(call)
        await ingress.twiml("/twilio/turn/1")
        await ingress.twiml("/twilio/turn/2", SpeechResult="hello")
        document = await ingress.twiml(path.replace("/1?", "/3?"))
        assert (said(document), verbs(document)) == ("", ["Gather", "Redirect"])
        assert [record.kind for record in (await ingress.state()).turns][-1] == "silence"


async def test_a_provider_that_refuses_costs_nothing(with_provider, provider) -> None:
    async with with_provider() as ingress:
        live(provider, ingress.call_sid)
        await ingress.begin()
        provider.fail("update_call", Fault.refused(500))
        assert (await signal(ingress, interrupt=True)).status_code == 200
        await wait_until(lambda: "update_call" in provider.requested, "the provider was asked")
        assert said(await ingress.twiml("/twilio/turn/1", SpeechResult="hello")) == "News: late {}. You said hello."


async def test_a_person_connects_the_caller_at_once(with_provider, provider) -> None:
    async with with_provider(twilio_from_number="+15551230000") as ingress:
        call = live(provider, ingress.call_sid)
        await ingress.begin()
        answer = await ingress.client.post(f"/calls/{ingress.call_sid}/transfer", json={"to": "+12125551234"})
        assert answer.json()["delivery"] == "live_update"
        document = await ingress.twiml(await asked_for(call))
        number = document.find("Dial/Number")
        assert number is not None
        assert number.text == "+12125551234"


async def test_a_person_who_hangs_up_ends_the_call_at_the_provider(with_provider, provider) -> None:
    async with with_provider() as ingress:
        call = live(provider, ingress.call_sid)
        await ingress.begin()
        await ingress.client.post(f"/calls/{ingress.call_sid}/hang-up", json={})
        await wait_until(lambda: bool(call.updates), "the call is updated")
        assert call.updates[0].hangs_up


async def test_an_agent_that_ends_the_call_at_once_is_heard_first(with_provider, provider) -> None:
    async with with_provider() as ingress:
        call = live(provider, ingress.call_sid)
        await ingress.begin()
        await signal(ingress, name="bye", interrupt=True)
        path = await asked_for(call)
        for _ in range(2):
            document = await ingress.twiml(path)
            assert (said(document), verbs(document)[-1]) == ("Goodbye then.", "Hangup")


@pytest.mark.parametrize("interrupts", [False, True])
async def test_only_an_interrupting_signal_cuts_a_running_turn_off(start_ingress, gate, interrupts) -> None:
    begun = asyncio.Event()

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            begun.set()
            await gate.wait()
        yield f"This is {turn.kind}."

    async with start_ingress(agent=slow) as ingress:
        await ingress.begin()
        words = asyncio.create_task(ingress.twiml("/twilio/turn/1", SpeechResult="hello"))
        await begun.wait()
        sent = asyncio.create_task(signal(ingress, interrupt=interrupts))
        if interrupts:
            assert said(await words) == ""
        gate.set()
        await asyncio.gather(words, sent)
        outcomes = [record.outcome for record in (await ingress.state()).turns]
        assert outcomes == ["replied", "interrupted" if interrupts else "replied", "replied"]
        assert said(await ingress.twiml("/twilio/turn/2")) == "This is signal."


async def test_a_call_that_was_ended_long_ago_says_goodbye(ingress, move_clock) -> None:
    await signal(ingress, name="bye")
    move_clock(200)
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
    assert said(document) == GOODBYE


async def test_what_follows_a_transfer_in_an_unheard_reply_is_said_before_it(start_ingress) -> None:
    async def connecting(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "signal":
            yield "I connect you."
            yield Transfer("+12125551234")
        else:
            yield f"This is {turn.kind}."

    async with start_ingress(agent=connecting) as ingress:
        await ingress.begin()
        await signal(ingress)
        document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
        assert said(document) == "I connect you. This is speech."
        assert "Dial" in verbs(document)


async def test_what_precedes_a_turn_that_is_cut_off_is_said_when_the_provider_comes(
    with_provider, provider, gate
) -> None:
    begun = asyncio.Event()

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            begun.set()
            await gate.wait()
        yield f"This is {turn.text or turn.kind}."

    async with with_provider(agent=slow) as ingress:
        call = live(provider, ingress.call_sid)
        await ingress.begin()
        await signal(ingress, "s1", "first")
        words = asyncio.create_task(ingress.twiml("/twilio/turn/1", SpeechResult="hello"))
        await begun.wait()
        await signal(ingress, "s2", "second", interrupt=True)
        path = await asked_for(call)
        assert redirect_of(await words) == path, "whichever of both the provider follows"
        document = await ingress.twiml(path)
        assert said(document) == "This is first. This is second."
        assert said(await ingress.twiml("/twilio/turn/3")) == "This is silence."


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_the_provider_comes_also_if_the_client_has_stopped_waiting(with_provider, provider, gate, accept) -> None:
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "signal":
            await gate.wait()
        yield f"This is {turn.kind}."

    waits = {"store": 0.5, "reply_grace": -29.5}
    async with with_provider(agent=slow, timeouts=waits, agent_timeout_seconds=30) as ingress:
        call = live(provider, ingress.call_sid)
        await ingress.begin()
        ingress.client.headers["Accept"] = accept
        assert "ask again" in (await signal(ingress, interrupt=True)).text
        gate.set()
        assert said(await ingress.twiml(await asked_for(call))) == "This is signal."
