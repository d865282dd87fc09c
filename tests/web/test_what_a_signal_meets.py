"""Each row of the table in docs/signals.md that says what a signal meets, as the caller and the sender see it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.counting import counting
from support.ingress import QUICK, TOKEN, Ingress, redirect_of, said, verbs
from support.waiting import wait_until

from orchestrator.clock import utc_now
from orchestrator.conversation.actions import Gather, HangUp, Record, SetLanguage, SetTimer, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.rest_api import CallUpdate, RestApi, serve_rest_api
from orchestrator.turns.bounds import MOST_TURNS, TOO_LONG
from web.twilio.twiml import FILLERS

PAGE = (Path(__file__).parents[2] / "docs" / "signals.md").read_text()
ACCOUNT = "AC" + "1" * 32
PERSON = "+12125551234"
ELSEWHERE = {
    "runs in the memory of another process, while Redis is down",
    "is in a Redis that is down, or full",
    "is run by workers of an older version too, during a deploy",
    "is of another provider than Twilio",
}
"""What needs Redis or another provider: test_signals_over_redis.py and test_providers.py."""
MET: set[str] = set()
ON_A_RELAY = {
    "says something": "test_it_is_said_after_what_is_being_said",
    "says something, and the signal interrupts": "test_one_that_interrupts_is_said_at_once",
    "hears its caller talk over the reply": "test_the_caller_talks_over_it",
    "waits for keys": "test_it_does_not_change_how_the_answer_is_collected",
    "is closed, and its caller will be back": "test_what_came_while_no_socket_was_open_is_said_over_the_next",
    "gets a transfer or the end of the call by hand": "test_a_transfer_by_hand_ends_the_session",
}
"""The rows of sessions, and the tests of tests/web/relay/test_own_turns.py that hold them."""


def meets(row: str) -> Callable[[Any], Any]:
    """The test holds this row of the table."""
    MET.add(row)
    return lambda test: test


async def told(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Does what its caller's words and its signals name."""
    match turn.text if turn.kind in ("speech", "signal") else turn.kind:
        case "started":
            yield "Hello!"
        case "colleague":
            yield "I connect you."
            yield Transfer(PERSON, then="return")
        case "message":
            yield Record()
        case "bye":
            yield "Goodbye then."
            yield HangUp()
        case "fail":
            yield "Half a"
            raise RuntimeError
        case "swedish":
            yield "One moment."
            yield SetLanguage(speech="sv-SE")
            yield "Ett ögonblick."
        case "room":
            yield "Which room?"
            yield Gather(num_digits=2)
        case "number":
            yield "What is your number?"
            yield SetLanguage(recognition="sv-SE")
            yield Gather(input="keys", num_digits=4)
        case other:
            yield f"This is {other}."


class SimulatedCall:
    """The provider's side of the call: it notes how it was updated."""

    def __init__(self, call_sid: str) -> None:
        self.identity = CallIdentity(call_sid=call_sid)
        self.status: Any = "in-progress"
        self.updates: list[CallUpdate] = []

    def update(self, update: CallUpdate) -> None:
        self.updates.append(update)

    async def path(self, count: int = 1) -> str:
        """Where the provider was asked to come."""
        await wait_until(lambda: len(self.updates) >= count, "the call is updated")
        parts = urlsplit(self.updates[-1].url)
        return f"{parts.path}?{parts.query}"


@pytest.fixture
async def provider() -> AsyncIterator[RestApi]:
    async with serve_rest_api(RestApi(ACCOUNT, TOKEN)) as api:
        yield api


@pytest.fixture
def with_provider(start_ingress: Any, provider: RestApi) -> Callable[..., Any]:
    """Start an ingress that reaches the simulated provider."""

    def start(**options: Any) -> Any:
        options = {"agent": told, "timeouts": {"store": 0.5}, **options}
        return start_ingress(twilio_account_sid=ACCOUNT, twilio_api_base_url=provider.url, **options)

    return start


@pytest.fixture
async def ingress(with_provider: Any) -> AsyncIterator[Ingress]:
    async with with_provider() as ingress:
        await ingress.begin()
        yield ingress


@pytest.fixture
def call(provider: RestApi, ingress: Ingress) -> SimulatedCall:
    call = SimulatedCall(ingress.call_sid)
    provider.calls.add(call)
    return call


async def signal(ingress: Ingress, name: str = "news", **fields: Any) -> Any:
    return await ingress.client.post(f"/calls/{ingress.call_sid}/signals", json={"name": name, **fields})


async def by_hand(ingress: Ingress, what: str, **fields: Any) -> Any:
    return await ingress.client.post(f"/calls/{ingress.call_sid}/{what}", json=fields)


async def kinds(ingress: Ingress) -> list[str]:
    state = await ingress.state()
    assert state is not None
    return [record.kind for record in state.turns]


async def settled(ingress: Ingress) -> None:
    """Wait until whatever the ingress asks the provider for has been asked."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("live update")]
    await asyncio.gather(*tasks)


def test_each_row_of_the_table_has_a_test() -> None:
    over_webhooks, on_a_relay = PAGE.split("## What a signal meets")[1].split("### On a relay")
    assert rows_of(over_webhooks) == MET | ELSEWHERE
    assert rows_of(on_a_relay) == set(ON_A_RELAY)
    tests = (Path(__file__).parent / "relay" / "test_own_turns.py").read_text()
    assert [name for name in ON_A_RELAY.values() if f"def {name}(" not in tests] == []


def rows_of(table: str) -> set[str]:
    """The first cells of a table."""
    return set(re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)) - {"the call", "the session"}


@meets("waits for its caller")
async def test_it_is_heard_with_the_next_webhook_and_answers_a_silence(ingress, call) -> None:
    assert (await signal(ingress)).json()["delivery"] == "next_webhook"
    assert said(await ingress.twiml("/twilio/turn/1", SpeechResult="hello")) == "This is news. This is hello."
    await signal(ingress)
    assert said(await ingress.twiml("/twilio/turn/2")) == "This is news."
    assert said(await ingress.twiml("/twilio/turn/3")) == "This is silence."
    await settled(ingress)
    assert not call.updates


@meets("waits for its caller, and the signal interrupts")
async def test_the_provider_comes_and_its_retries_get_the_same_bytes(ingress, call) -> None:
    assert (await signal(ingress, interrupt=True)).json()["delivery"] == "live_update"
    path = await call.path()
    answers = {(await ingress.post(path)).content for _ in range(3)}
    assert len(answers) == 1
    document = await ingress.twiml(path)
    assert (said(document), redirect_of(document)) == ("This is news.", "/twilio/turn/2")
    assert await kinds(ingress) == ["started", "signal", "silence"]


async def test_the_question_that_was_asked_before_stays_open(ingress, call) -> None:
    asked = await ingress.twiml("/twilio/turn/1", SpeechResult="number")
    before = asked.find("Gather")
    await by_hand(ingress, "say", text="One moment.", interrupt=True)
    document = await ingress.twiml(await call.path())
    gather = document.find("Gather")
    assert said(document) == "One moment."
    assert gather.get("action") == "/twilio/turn/3?recognition=sv-SE"
    assert {**gather.attrib, "action": ""} == {**before.attrib, "action": ""}
    await signal(ingress)
    again = (await ingress.twiml("/twilio/turn/3?recognition=sv-SE")).find("Gather")
    assert again.get("numDigits") == "4"


async def test_a_question_of_the_signals_own_replaces_the_one_before(ingress) -> None:
    await ingress.twiml("/twilio/turn/1", SpeechResult="room")
    await signal(ingress, "number")
    assert (await ingress.twiml("/twilio/turn/2")).find("Gather").get("numDigits") == "4"
    await ingress.twiml("/twilio/turn/3", Digits="1234")
    assert (await ingress.twiml("/twilio/turn/4")).find("Gather").get("numDigits") is None


async def test_another_language_begins_where_the_signal_changes_it(ingress, call) -> None:
    await signal(ingress, "swedish", interrupt=True)
    path = await call.path()
    assert path == "/twilio/turn/1?continue=1"
    for document in (await ingress.twiml(path), await ingress.twiml("/twilio/voice", ErrorCode="11200")):
        assert [say.get("language") for say in document.iter("Say")] == [None, "sv-SE"]
        assert redirect_of(document) == "/twilio/turn/2?speech=sv-SE"


@meets("runs a turn")
async def test_it_waits_behind_a_turn_that_runs(with_provider, gate) -> None:
    async with with_provider(agent=slowly(gate)) as ingress:
        await ingress.begin()
        words = asyncio.create_task(ingress.twiml("/twilio/turn/1", SpeechResult="hello"))
        await wait_until(lambda: bool(ingress.dispatcher.runner.running), "the turn runs")
        sent = asyncio.create_task(signal(ingress))
        await wait_until(lambda: len(ingress.turns) == 3, "the signal has come")
        gate.set()
        assert said(await words) == "This is speech."
        await sent
        assert said(await ingress.twiml("/twilio/turn/2")) == "This is signal."


@meets("runs a turn, and the signal interrupts")
async def test_a_turn_that_is_cut_off_is_followed_by_the_signal_at_once(with_provider, provider, gate) -> None:
    async with with_provider(agent=slowly(gate)) as ingress:
        await ingress.begin()
        call = SimulatedCall(ingress.call_sid)
        provider.calls.add(call)
        words = asyncio.create_task(ingress.post("/twilio/turn/1", SpeechResult="hello"))
        await wait_until(lambda: bool(ingress.dispatcher.runner.running), "the turn runs")
        await signal(ingress, interrupt=True)
        assert b'<Redirect method="POST">/twilio/turn/2?continue=1</Redirect>' in (await words).content
        document = await ingress.twiml("/twilio/turn/2?continue=1")
        assert (said(document), redirect_of(document)) == ("This is signal.", "/twilio/turn/3")
        state = await ingress.state()
        assert [record.outcome for record in state.turns][1] == "interrupted"
        await settled(ingress)


@meets("holds its caller with fillers")
async def test_a_caller_who_hears_fillers_hears_both_replies(with_provider, provider, gate) -> None:
    async with with_provider(agent=slowly(gate), timeouts=QUICK | {"store": 0.5}) as ingress:
        await ingress.begin()
        call = SimulatedCall(ingress.call_sid)
        provider.calls.add(call)
        document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
        assert said(document) == FILLERS[0]
        sent = asyncio.create_task(signal(ingress))
        await wait_until(lambda: len(ingress.turns) == 3, "the signal has come")
        assert said(document := await ingress.twiml(redirect_of(document))) == FILLERS[1]
        gate.set()
        await sent
        assert said(await ingress.twiml(redirect_of(document))) == "This is speech."
        assert said(await ingress.twiml("/twilio/turn/2")) == "This is signal."
        await settled(ingress)
        assert not call.updates


async def test_the_provider_is_not_asked_to_come_while_a_turn_of_the_caller_waits(with_provider, provider, gate):
    async with with_provider(agent=slowly(gate)) as ingress:
        await ingress.begin()
        call = SimulatedCall(ingress.call_sid)
        provider.calls.add(call)
        await ingress.runtime.states.create_state(ingress.call_sid)
        await signal(ingress, signal_id="s1")
        words = asyncio.create_task(ingress.twiml("/twilio/turn/1", SpeechResult="hello"))
        await wait_until(lambda: bool(ingress.dispatcher.runner.running), "the turn runs")
        again = await signal(ingress, signal_id="s1", interrupt=True)
        assert again.json()["delivery"] == "live_update"
        await settled(ingress)
        assert not call.updates
        gate.set()
        assert said(await words) == "This is signal. This is speech."


@meets("has connected its caller with a person, or records a message")
@pytest.mark.parametrize(
    ("words", "back"), [("colleague", {"DialCallStatus": "completed"}), ("message", {"RecordingUrl": "https://a.b/c"})]
)
async def test_what_is_said_to_a_caller_who_is_away_waits_for_them(ingress, call, words, back) -> None:
    document = await ingress.twiml("/twilio/turn/1", SpeechResult=words)
    action = next(verb.get("action") for verb in document if verb.tag in ("Dial", "Record"))
    assert (await signal(ingress, interrupt=True)).json()["delivery"] == "next_webhook"
    await settled(ingress)
    assert not call.updates
    kind = "transferred" if words == "colleague" else "recorded"
    document = await ingress.twiml(action, **back)
    assert said(document) in (f"This is news. This is {kind}.", "This is news. This is .")
    assert (await kinds(ingress))[-2:] == ["signal", kind]


async def test_a_caller_who_is_to_be_hung_up_on_afterwards_hears_it_first(start_ingress) -> None:
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Goodbye." if turn.text == "news" else Transfer("+12125559999" if turn.text == "on" else PERSON)

    async with start_ingress(agent=agent) as ingress:
        action = (await ingress.begin()).find("Dial").get("action")
        await signal(ingress)
        for _ in range(2):
            document = await ingress.twiml(action, DialCallStatus="completed")
            assert (said(document), verbs(document)[-1]) == ("Goodbye.", "Hangup")
        assert (await ingress.state()).ended is not None

    async with start_ingress(agent=agent) as ingress:
        action = (await ingress.begin()).find("Dial").get("action")
        await signal(ingress, "on")
        document = await ingress.twiml(action, DialCallStatus="completed")
        assert document.findtext("Dial/Number") == "+12125559999"
        assert (await ingress.state()).ended is None


@meets("has connected its caller with a person, and a person hangs up")
async def test_a_caller_who_is_away_is_hung_up_on_by_hand(ingress, call) -> None:
    await ingress.twiml("/twilio/turn/1", SpeechResult="colleague")
    assert (await by_hand(ingress, "hang-up")).json()["delivery"] == "live_update"
    await settled(ingress)
    assert [update.hangs_up for update in call.updates] == [True]


async def test_what_a_person_has_said_before_they_hang_up_is_heard(ingress, call) -> None:
    await by_hand(ingress, "say", text="We close now.")
    await by_hand(ingress, "hang-up")
    document = await ingress.twiml(await call.path())
    assert (said(document), verbs(document)[-1]) == ("We close now.", "Hangup")


@meets("still rings")
async def test_a_call_that_rings_is_not_touched_and_hears_it_before_the_greeting(with_provider, provider) -> None:
    async with with_provider() as ingress:
        call = SimulatedCall(ingress.call_sid)
        provider.calls.add(call)
        await ingress.runtime.states.create_state(ingress.call_sid, channel="gather", direction="outbound-api")
        assert (await signal(ingress, interrupt=True)).json()["delivery"] == "next_webhook"
        await settled(ingress)
        assert not call.updates
        assert said(await ingress.begin()) == "This is news. Hello!"


@meets("was ended by the reply to a signal")
async def test_last_words_are_said_before_the_call_is_over(ingress, call) -> None:
    await signal(ingress, "bye")
    for path in ("/twilio/turn/1", "/twilio/turn/1", "/twilio/voice"):
        document = await ingress.twiml(path)
        assert (said(document), verbs(document)[-1]) == ("Goodbye then.", "Hangup")


async def test_a_call_that_is_over_connects_nobody_any_more(ingress) -> None:
    await signal(ingress, "colleague")
    await by_hand(ingress, "hang-up")
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
    assert (said(document), document.find("Dial"), verbs(document)[-1]) == ("I connect you.", None, "Hangup")


@meets("was answered anew in the same moment")
async def test_words_that_won_are_answered_again_as_a_whole(ingress, call) -> None:
    await signal(ingress, interrupt=True)
    path = await call.path()
    first = await ingress.twiml("/twilio/turn/1", SpeechResult="colleague")
    document = await ingress.twiml(path)
    assert said(document) == said(first) == "This is news. I connect you."
    assert document.find("Dial") is not None
    await ingress.twiml("/twilio/turn/2?left=transfer&then=return&by=turn-1", DialCallStatus="busy")
    await signal(ingress, "more")
    document = await ingress.twiml(path)
    assert said(document).startswith("This is more. This is ")
    assert (await kinds(ingress))[-2:] == ["signal", "silence"]


@meets("comes back after a failed webhook (`ErrorCode`)")
async def test_a_lost_reply_is_said_again_after_what_is_unheard_and_what_it_asked_for_is_done_once(start_ingress):
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            yield SetTimer("later", 3000)
            yield "A question?"
            yield Gather(num_digits=2)
        else:
            yield f"This is {turn.kind}."

    async with start_ingress(agent=agent) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
        await signal(ingress)
        timers = (await ingress.state()).timers
        answers = {(await ingress.post("/twilio/voice", ErrorCode="11200")).content for _ in range(2)}
        document = await ingress.twiml("/twilio/voice", ErrorCode="11200")
        assert said(document) == "This is signal. A question?"
        assert document.find("Gather").get("numDigits") == "2"
        assert len(answers) == 1
        state = await ingress.state()
        assert state.timers == timers
        assert [type(action) for action in state.turns[-1].reply.actions] == [Gather]


@meets("lost a reply to an agent that failed")
async def test_a_signal_whose_agent_fails_asks_the_caller_for_nothing(ingress) -> None:
    answer = (await signal(ingress, "fail")).json()
    assert (answer["outcome"], answer["reply"]) == ("failed", {"text": "", "actions": []})
    assert said(await ingress.twiml("/twilio/turn/1", SpeechResult="hello")) == "This is hello."


@meets("has ended, or was erased")
async def test_a_call_that_is_over_takes_no_signals(ingress) -> None:
    await by_hand(ingress, "hang-up")
    assert (await signal(ingress)).status_code == 410
    await ingress.client.delete(f"/calls/{ingress.call_sid}")
    assert (await signal(ingress)).status_code in (404, 410)
    assert await ingress.state() is None


@meets("is not known")
async def test_an_unknown_call_is_not_begun(ingress) -> None:
    for what, fields in (
        ("signals", {"name": "a"}),
        ("say", {"text": "a"}),
        ("transfer", {"to": PERSON}),
        ("hang-up", {}),
    ):
        answer = await ingress.client.post(f"/calls/nobody/{what}", json=fields)
        assert answer.status_code in (404, 422), answer.text
    assert await ingress.runtime.states.get_state("nobody") is None


@meets("holds as much as a call may")
async def test_a_full_call_refuses_the_signal_and_ends_politely(ingress) -> None:
    full = [
        TurnRecord(turn_id=f"old-{i}", kind="silence", received_at=utc_now(), outcome="replied", reply=Reply(text="-"))
        for i in range(MOST_TURNS - 1)
    ]
    state = await ingress.state()
    await ingress.runtime.states.delete_state(ingress.call_sid)
    await ingress.runtime.states.create_state(**{**state.model_dump(), "turns": full})
    answer = await signal(ingress)
    assert answer.status_code == 410
    assert "as much as a call may" in answer.json()["error"]
    assert said(await ingress.twiml("/twilio/turn/1")) == TOO_LONG


@meets("runs in the memory of the process that got the signal")
async def test_without_redis_it_is_the_same(ingress) -> None:
    assert ingress.runtime.redis is None
    assert (await signal(ingress)).status_code == 200


@meets("has a conversation over the API")
async def test_a_text_conversation_has_it_in_the_answer(ingress) -> None:
    await ingress.client.post("/calls/chat/turns", json={"kind": "started"})
    answer = (await ingress.client.post("/calls/chat/signals", json={"name": "news"})).json()
    assert (answer["delivery"], answer["reply"]["text"]) == ("answer", "This is news.")
    again = await ingress.client.post("/calls/chat/turns", json={"text": "hello"})
    assert again.json()["reply"]["text"] == "This is hello."


async def test_the_answer_to_a_repeated_signal_stays_the_same_when_the_call_has_gone_on(ingress, call) -> None:
    first = await signal(ingress, signal_id="s1", interrupt=True)
    await ingress.twiml(await call.path())
    await ingress.twiml("/twilio/turn/2", SpeechResult="colleague")
    with counting(catalog.DUPLICATES_ABSORBED) as counted:
        assert (await signal(ingress, signal_id="s1", interrupt=True)).content == first.content
    assert counted == {("api",): 1}
    await settled(ingress)


async def test_a_stream_of_server_sent_events_says_the_delivery_too(ingress) -> None:
    url = f"/calls/{ingress.call_sid}/signals"
    answer = await ingress.client.post(url, json={"name": "news"}, headers={"Accept": "text/event-stream"})
    assert '"delivery": "next_webhook"' in answer.text


async def test_while_the_store_is_away_a_signal_is_refused_and_may_be_sent_again(ingress) -> None:
    ingress.trouble(StoreUnavailable())
    answer = await signal(ingress, signal_id="s1")
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    ingress.trouble(None)
    assert (await signal(ingress, signal_id="s1")).status_code == 200
    assert (await kinds(ingress)).count("signal") == 1


def slowly(gate: asyncio.Event) -> Any:
    """An agent that answers words only when the test lets it."""

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            await gate.wait()
        yield f"This is {turn.kind}."

    return agent
