"""Who answers a call is chosen once, at the edge, and stays chosen: whoever asks next, and whatever happens between."""

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.counting import counting
from support.ingress import said, started_ingress, verbs
from support.relay import relay_socket, ticket_in
from twilio.request_validator import RequestValidator

from orchestrator.errors import StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.routes.admission import Admission
from orchestrator.routes.choice import Choice

NORTH, SOUTH, BILLING, ASKED, DESK, PLAIN = (f"+1555000000{digit}" for digit in range(1, 7))
ROUTES = f"""
[agents.reception]
agent = "echo"

[agents.spanish]
agent = "echo"

[agents.billing]
agent = "echo"
channel = "relay"

[agents.desk]
agent = "a_router_of_a_test:answer"

[[routes]]
number = "{DESK}"
agent = "desk"

[[routes]]
number = "{NORTH}"
agent = "reception"
tenant = "north"
max_calls = 20

[[routes]]
number = "{SOUTH}"
agent = "spanish"

[[routes]]
number = "{BILLING}"
agent = "billing"
tenant = "north"

[[routes]]
number = "{ASKED}"
agent = "reception"
tenant = "south"
hook = "a_router_of_a_test:choose"
"""
FORM = {"CallSid": "c7", "From": "+15557654321", "To": ASKED, "CallStatus": "ringing"}
HOOK = """
import json, pathlib
from orchestrator import HandOff

FOLDER = pathlib.Path(__file__).parent

async def answer(turn, state):
    yield "The desk. "
    if turn.kind == "speech":
        yield HandOff("spanish")

def choose(call):
    with (FOLDER / "asked").open("a") as asked:
        asked.write(call.call_sid + "\\n")
    (FOLDER / "provider").write_text(call.provider)
    return json.loads((FOLDER / "answer").read_text())
"""


class Router:
    """The hook of the routes, a function that answers as told and notes who asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers({"agent": "spanish", "slots": {"vip": True}})

    def answers(self, answer: dict[str, Any]) -> None:
        (self.folder / "answer").write_text(json.dumps(answer))

    @property
    def asked(self) -> list[str]:
        asked = self.folder / "asked"
        return asked.read_text().split() if asked.exists() else []


@pytest.fixture
def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Router]:
    (tmp_path / "a_router_of_a_test.py").write_text(HOOK)
    monkeypatch.syspath_prepend(tmp_path)
    yield Router(tmp_path)
    sys.modules.pop("a_router_of_a_test", None)


@pytest.fixture
def start(router: Router) -> Callable[..., Any]:
    """Start an ingress with these routes, and the number that is called."""
    path = router.folder / "routes.toml"
    path.write_text(ROUTES)

    def start(**settings: Any) -> Any:
        return started_ingress(routes=str(path), **settings)

    return start


def action_of(document: Any) -> dict[str, list[str]]:
    """The query of the action that the caller's next words go to."""
    gather = document.find("Gather")
    assert gather is not None
    return parse_qs(urlsplit(gather.attrib["action"]).query)


async def called(ingress: Any, number: str, **fields: str) -> Any:
    ingress.fields["To"] = number
    return await ingress.twiml("/twilio/voice", **{"CallStatus": "ringing", **fields})


async def test_the_number_that_is_called_says_who_answers_and_whose_call_it_is(start):
    async with start() as ingress:
        document = await called(ingress, NORTH)
        assert (verbs(document), action_of(document)) == (["Gather", "Redirect"], {"agent": ["reception"]})
        state = await ingress.state()
        assert (state.agent, state.tenant, state.channel) == ("reception", "north", "gather")


async def test_a_number_without_a_route_is_answered_as_if_there_were_none(start):
    async with start() as ingress:
        document = await called(ingress, PLAIN)
        assert action_of(document) == {}
        state = await ingress.state()
        assert not {"agent", "tenant"} & set(json.loads(state.model_dump_json()))


async def test_each_agent_has_its_own_channel(start):
    async with start() as ingress:
        assert (await called(ingress, BILLING)).find("Connect/ConversationRelay") is not None
    async with start(voice_channel="relay") as ingress:
        assert (await called(ingress, NORTH)).find("Connect/ConversationRelay") is not None


async def test_a_relay_call_is_begun_by_the_choice_in_its_ticket(start):
    async with start() as ingress:
        ticket = ticket_in(await called(ingress, BILLING))
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid, ticket=ticket, to="+19990000000")
            await caller.reply()
            state = await ingress.state()
            assert (state.agent, state.tenant, state.channel) == ("billing", "north", "relay")


async def test_the_choice_travels_from_one_document_of_a_relay_call_to_the_next(start):
    async with start() as ingress:
        verb = (await called(ingress, BILLING)).find("Connect")
        ingress.fields["To"] = NORTH  # whatever it says now
        again = await ingress.twiml(verb.attrib["action"], SessionStatus="failed", SessionDuration="30")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid, ticket=ticket_in(again), to=NORTH)
            await caller.reply()
        assert (await ingress.state()).agent == "billing"


async def test_a_call_without_a_choice_in_its_ticket_is_answered_by_its_route(start):
    """An ingress of an older version has answered its webhook."""
    async with start() as ingress:
        old = ticket_in(await called(ingress, BILLING))
        ticket = without_choice(ingress, old)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid, ticket=ticket, to=BILLING)
            await caller.reply()
        assert (await ingress.state()).agent == "billing"


def without_choice(ingress: Any, ticket: str) -> str:
    seal = ingress.app.state.ingress.seal
    content = json.loads(seal.unwrap(ticket))
    assert content["choice"]["agent"] == "billing"
    return seal.wrap(json.dumps({"relay": content["relay"]}).encode())


async def test_a_hook_is_asked_once_however_often_the_webhook_comes(start, router):
    async with start() as ingress:
        document = await called(ingress, ASKED)
        assert action_of(document) == {"agent": ["spanish"]}
        router.answers({"agent": "reception"})
        for fields in ({}, {"CallStatus": "in-progress", "ErrorCode": "11200"}):
            assert action_of(await called(ingress, ASKED, **fields)) == {"agent": ["spanish"]}
        state = await ingress.state()
        assert (state.agent, state.tenant, state.slots["vip"]) == ("spanish", "south", True)
        assert router.asked == [ingress.call_sid]


async def test_a_call_that_is_refused_ends_with_the_words_of_the_hook_and_leaves_nothing(start, router):
    async with start() as ingress:
        with counting(catalog.CALLS_REFUSED) as refused:
            for words, expected in (("We are closed.", "We are closed."), ("", "We cannot take your call. Goodbye.")):
                router.answers({"refuse": words})
                document = await called(ingress, ASKED)
                assert (said(document), verbs(document)) == (expected, ["Say", "Hangup"])
        assert await ingress.state() is None
        assert refused == {("hook",): 2}


async def test_a_call_that_is_held_while_the_store_is_down_keeps_its_choice(start, router):
    async with start(timeouts={"store": 0.1, "filler_after": 0.1, "wait": 0.1}) as ingress:
        ingress.trouble(StoreUnavailable())
        held = await called(ingress, ASKED)
        assert "agent=spanish" in held.find("Redirect").text
        router.answers({"agent": "reception"})
        ingress.trouble(None)
        document = await ingress.twiml(held.find("Redirect").text)
        assert action_of(document) == {"agent": ["spanish"]}
        assert (await ingress.state()).agent == "spanish"
        assert router.asked == [ingress.call_sid]


async def test_a_call_whose_state_was_lost_begins_again_with_the_agent_that_had_it(start, router):
    async with start() as ingress:
        gather = (await called(ingress, ASKED)).find("Gather")
        await ingress.runtime.states.delete_state(ingress.call_sid)
        router.answers({"refuse": "No."})
        document = await ingress.twiml(gather.attrib["action"], SpeechResult="hello")
        assert action_of(document) == {"agent": ["spanish"]}
        state = await ingress.state()
        assert (state.agent, state.tenant, state.turns[0].kind) == ("spanish", "south", "started")
        assert len(router.asked) == 1


async def test_a_call_that_comes_back_stays_with_its_agent(start):
    async with start() as ingress:
        gather = (await called(ingress, NORTH)).find("Gather")
        await ingress.twiml(gather.attrib["action"], SpeechResult="hello")
        ingress.fields["To"] = SOUTH
        document = await ingress.twiml("/twilio/voice", CallStatus="in-progress")
        assert action_of(document) == {"agent": ["reception"]}


async def test_the_agent_that_got_the_call_has_it_in_the_next_url_and_when_the_call_comes_back(start):
    async with start() as ingress:
        gather = (await called(ingress, DESK)).find("Gather")
        assert parse_qs(urlsplit(gather.attrib["action"]).query) == {"agent": ["desk"]}
        answer = await ingress.twiml(gather.attrib["action"], SpeechResult="hello")
        assert (said(answer).startswith("The desk."), action_of(answer)) == (True, {"agent": ["spanish"]})
        assert (await ingress.state()).agent == "spanish"
        lost = await ingress.twiml("/twilio/voice", CallStatus="in-progress", ErrorCode="11200")
        assert (said(lost).startswith("The desk."), action_of(lost)) == (True, {"agent": ["spanish"]})


async def test_a_fallback_keeps_who_has_answered_whatever_the_routes_say_by_now(start):
    async with start() as ingress:
        await called(ingress, NORTH)
        document = await called(ingress, SOUTH, CallStatus="in-progress", ErrorCode="11200")
        assert action_of(document) == {"agent": ["reception"]}


async def test_how_many_calls_there_may_be_is_told_to_the_store(start):
    async with start() as ingress:
        submit, admissions = ingress.store.submit, []

        async def noted(turn: Any, **options: Any) -> Any:
            admissions.append(options.get("admission"))
            return await submit(turn, **options)

        ingress.store.submit = noted  # type: ignore[method-assign]
        await called(ingress, NORTH)
        await called(ingress, SOUTH)
        assert admissions == [Admission("north", 20), None]


def test_a_choice_is_the_same_after_a_journey():
    choice = Choice("billing", "north", 3, "north", {"vip": True})
    assert Choice.unpacked(json.loads(json.dumps(choice.packed()))) == choice
    assert Choice().packed() == {}
    assert Choice.unpacked({"agent": "a", "of a newer version": 1}) == Choice("a")


# --- the API ---


async def ask(ingress: Any, **fields: Any) -> Any:
    return await ingress.client.post("/calls/text-1/turns", json={"text": "hello", **fields})


async def state_of(ingress: Any, call_sid: str = "text-1") -> Any:
    return await ingress.runtime.states.get_state(call_sid)


async def test_a_text_conversation_is_answered_by_the_route_of_its_number_or_by_the_agent_it_names(start, router):
    async with start() as ingress:
        assert (await ask(ingress, to=NORTH)).status_code == 200
        state = await state_of(ingress)
        assert (state.agent, state.tenant, state.channel) == ("reception", "north", "api")
        other = await ingress.client.post("/calls/text-2/turns", json={"text": "hi", "to": ASKED, "agent": "billing"})
        assert other.status_code == 200
        named = await state_of(ingress, "text-2")
        assert (named.agent, named.tenant) == ("billing", "south")
        assert router.asked == []
        assert (await ask(ingress, agent="spanish")).status_code == 200
        assert (await state_of(ingress)).agent == "reception", "a conversation keeps its agent"


async def test_the_hook_of_a_route_is_asked_about_a_text_conversation_once(start, router):
    async with start() as ingress:
        for _ in range(3):
            assert (await ask(ingress, to=ASKED)).status_code == 200
        assert ((await state_of(ingress)).agent, router.asked) == ("spanish", ["text-1"])
        assert (router.folder / "provider").read_text() == "api"


async def test_a_text_conversation_that_is_refused_gets_a_403_with_the_words_of_the_hook(start, router):
    router.answers({"refuse": "We are closed."})
    async with start() as ingress:
        response = await ask(ingress, to=ASKED)
        assert (response.status_code, response.json()["error"]) == (403, "We are closed.")
        assert await state_of(ingress) is None


async def test_an_agent_that_nobody_knows_is_refused_with_the_names_there_are(start):
    async with start() as ingress:
        response = await ask(ingress, agent="sales")
        assert response.status_code == 422
        assert "There are: billing, desk, reception, spanish." in response.text
    async with started_ingress() as ingress:
        assert "set ROUTES" in (await ask(ingress, agent="sales")).text


async def test_the_api_shows_whose_call_it_is(start):
    async with start() as ingress:
        await called(ingress, NORTH)
        (call,) = (await ingress.client.get("/calls")).json()["calls"]
        assert (call["agent"], call["tenant"]) == ("reception", "north")
        shown = (await ingress.client.get(f"/calls/{ingress.call_sid}")).json()
        assert (shown["agent"], shown["tenant"]) == ("reception", "north")


async def test_the_calls_of_telnyx_are_routed(start, router):
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    async with start(telnyx_public_key=public) as ingress:
        body, at = urlencode(FORM), str(int(time.time()))
        headers = {
            "Content-Type": "application/x-www-form-urlencoded", "telnyx-timestamp": at,
            "telnyx-signature-ed25519": base64.b64encode(key.sign(f"{at}|{body}".encode())).decode(),
        }  # fmt: skip
        response = await ingress.client.post("/telnyx/voice", content=body, headers=headers)
        assert "agent=spanish" in response.text
        assert ((await state_of(ingress, "c7")).tenant, router.asked) == ("south", ["c7"])


async def test_the_calls_of_signalwire_are_routed(start, router):
    async with start(signalwire_signing_key="PSK_1") as ingress:
        signature = RequestValidator("PSK_1").compute_signature(ingress.url + "/signalwire/voice", FORM)
        headers = {"X-SignalWire-Signature": signature}
        response = await ingress.client.post("/signalwire/voice", data=FORM, headers=headers)
        assert "agent=spanish" in response.text
        assert ((await state_of(ingress, "c7")).tenant, router.asked) == ("south", ["c7"])


async def test_a_call_that_stays_in_memory_has_its_agent_too(start):
    async with start(redis_rollout_percent=0) as ingress:
        await called(ingress, NORTH)
        assert (await ingress.state()).agent == "reception"
