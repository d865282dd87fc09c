"""A slow agent, and a store that is down: the caller is held, never dropped."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from support.ingress import QUICK, Ingress, redirect_of, said, verbs

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallRefused, StoreFull, StoreUnavailable, TurnRejected
from web.seal import Seal
from web.twilio.held_turn import HeldTurn, read_held_turn
from web.twilio.twiml import FILLERS

SHARED = {"seal_key": "what two ingresses have in common"}


def held_since(ingress: Ingress, seconds: float, *, kind: str = "speech", opening: Any = None) -> str:
    """Return the wait path of a turn that has been held for some seconds."""
    turn_id = "start" if kind == "started" else "turn-1"
    turn = Turn(turn_id=turn_id, call_sid=ingress.call_sid, kind=kind, text="my words")
    held = HeldTurn(turn=turn, opening=opening, since=time.time() - seconds)
    sealed = held.sealed(ingress.app.state.ingress.seal)
    return f"/twilio/turn/{0 if kind == 'started' else 1}/wait?attempt=3&held={sealed}"


async def answer_after(ingress: Ingress, path: str) -> ElementTree.Element:
    """Return what the caller hears after all fillers."""
    async with asyncio.timeout(60):
        while (document := await ingress.twiml(path)).find("Gather") is None:
            path = redirect_of(document)
    return document


async def test_a_slow_agent_is_bridged_by_fillers_until_its_answer_comes(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            await gate.wait()
        yield "Done."

    async with start_ingress(agent=slow, timeouts=QUICK) as ingress:
        await ingress.begin()
        heard = []
        document = await ingress.twiml("/twilio/turn/1", SpeechResult="work")
        for _ in range(3):
            heard.append(said(document))
            assert verbs(document) == ["Say", "Redirect"]
            path = redirect_of(document)
            assert urlsplit(path).path == "/twilio/turn/1/wait"
            assert "work" not in path
            document = await ingress.twiml(path)
        assert heard == list(FILLERS[:3])
        gate.set()
        document = await answer_after(ingress, redirect_of(document))
        assert said(document) == "Done."
        assert document.find("Gather").get("action") == "/twilio/turn/2"
        assert len((await ingress.state()).turns) == 2


async def test_a_slow_greeting_waits_as_turn_zero(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        await gate.wait()
        yield "Hello!"

    async with start_ingress(agent=slow, timeouts=QUICK) as ingress:
        path = redirect_of(await ingress.begin())
        assert urlsplit(path).path == "/twilio/turn/0/wait"
        gate.set()
        document = await answer_after(ingress, path)
        assert said(document) == "Hello!"
        assert document.find("Gather").get("action") == "/twilio/turn/1"


async def test_a_turn_that_no_worker_ever_answers_ends_in_an_apology(start_ingress, gate):
    async def stuck(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            await gate.wait()
        yield "Hello!"

    async with start_ingress(agent=stuck, timeouts={**QUICK, "hold": 0}, agent_timeout_seconds=15) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult="work")
        document = await ingress.twiml(f"/twilio/turn/1/wait?attempt=4&since={time.time() - 26}")
        assert verbs(document) == ["Say", "Hangup"]
        gate.set()


async def test_words_survive_an_outage_of_the_store_even_at_another_ingress(start_ingress):
    async with start_ingress(**SHARED) as ingress, start_ingress(**SHARED) as other:
        await ingress.begin()
        await other.begin()
        ingress.trouble(StoreUnavailable())
        document = await ingress.twiml("/twilio/turn/1", SpeechResult="remember me")
        assert said(document) == FILLERS[0]
        path = redirect_of(document)
        assert "remember" not in path
        document = await other.twiml(path)
        assert said(document) == "You said remember me."
        assert document.find("Gather").get("action") == "/twilio/turn/2"


async def test_a_call_that_begins_during_an_outage_is_greeted_after_it(ingress):
    ingress.trouble(StoreUnavailable())
    document = await ingress.begin()
    document = await ingress.twiml(redirect_of(document))
    assert said(document) == FILLERS[1]
    ingress.trouble(None)
    document = await ingress.twiml(redirect_of(document))
    assert said(document) == "Hello!"
    assert (await ingress.state()).from_number == "+15558675310"


async def test_an_outage_longer_than_a_minute_ends_in_an_apology(ingress):
    await ingress.begin()
    ingress.trouble(StoreUnavailable())
    assert verbs(await ingress.twiml(held_since(ingress, 55))) == ["Say", "Redirect"]
    document = await ingress.twiml(held_since(ingress, 61))
    assert verbs(document) == ["Say", "Hangup"]
    assert "sorry" in said(document)


async def test_an_outage_longer_than_a_minute_is_transferred_where_there_is_somebody(start_ingress):
    async with start_ingress(transfer_to="+15550002222") as ingress:
        await ingress.begin()
        ingress.trouble(StoreUnavailable())
        document = await ingress.twiml(held_since(ingress, 61))
        assert verbs(document) == ["Say", "Dial"]
        assert document.findtext("Dial/Number") == "+15550002222"


async def test_an_answer_that_comes_at_the_last_moment_is_still_heard(ingress):
    await ingress.begin()
    assert said(await ingress.twiml(held_since(ingress, 70))) == "You said my words."


async def test_the_store_going_away_under_a_known_turn_is_held_too(start_ingress):
    async with start_ingress(timeouts=QUICK) as ingress:
        await ingress.begin()
        ingress.trouble(StoreUnavailable())
        began = time.time()
        document = await ingress.twiml("/twilio/turn/1/wait?attempt=1")
        assert verbs(document) == ["Say", "Redirect"]
        since = float(parse_qs(urlsplit(redirect_of(document)).query)["since"][0])
        assert began - 1 <= since <= time.time() + 1  # it is rounded


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.replace("held=", "held=x"),
        lambda path: path[:-9],
        lambda path: path.split("held=")[0] + "held=" + "A" * 200,
        lambda path: path.split("held=")[0] + "held=%C3%A4",
    ],
)
async def test_a_broken_seal_asks_the_caller_to_repeat(ingress, spoil):
    await ingress.begin()
    document = await ingress.twiml(spoil(held_since(ingress, 1)))
    assert "again" in said(document)
    assert document.find("Gather").get("action") == "/twilio/turn/2"
    assert [turn.turn_id for turn in ingress.turns] == ["start"]


async def test_an_old_seal_asks_the_caller_to_repeat(ingress):
    await ingress.begin()
    assert "again" in said(await ingress.twiml(held_since(ingress, 400)))


async def test_the_seal_of_another_call_or_turn_is_not_opened(ingress):
    await ingress.begin()
    path = held_since(ingress, 1)
    assert "again" in said(await ingress.twiml(path.replace("turn/1/", "turn/2/")))
    ingress.call_sid = "CA-other"
    assert "again" in said(await ingress.twiml(path))
    assert [turn.turn_id for turn in ingress.turns] == ["start"]


def test_a_seal_with_another_token_is_not_opened():
    turn = Turn(turn_id="turn-1", call_sid="CA1", kind="speech", text="secret words")
    held = HeldTurn(turn=turn, since=time.time())
    sealed = held.sealed(Seal("one"))
    assert "secret" not in sealed
    assert read_held_turn(Seal("one"), sealed) == held
    assert read_held_turn(Seal("two"), sealed) is None


async def test_words_that_cannot_be_opened_yet_are_held_and_not_lost(ingress):
    """The key is in a store that is down, into which the process that sealed the turn has written it."""
    await ingress.begin()
    seal, elsewhere = ingress.app.state.ingress.seal, Seal("made at another ingress")
    turn = Turn(turn_id="turn-1", call_sid=ingress.call_sid, kind="speech", text="my words")
    sealed = HeldTurn(turn=turn, since=time.time()).sealed(elsewhere)
    is_away = True

    async def learn() -> None:
        if is_away:
            raise StoreUnavailable
        seal.keys.adopt("made at another ingress")

    seal.learn = learn
    path = f"/twilio/turn/1/wait?attempt=1&held={sealed}"
    for number in range(1, 3):
        document = await ingress.twiml(path)
        assert said(document) == FILLERS[number]
        path = redirect_of(document)
    is_away = False
    assert said(await ingress.twiml(path)) == "You said my words."


async def test_words_that_cannot_be_opened_for_long_end_in_an_apology(ingress):
    async def learn() -> None:
        raise StoreUnavailable

    await ingress.begin()
    ingress.app.state.ingress.seal.learn = learn
    document = await ingress.twiml(f"/twilio/turn/1/wait?attempt=9&held=AAAA&since={time.time() - 61:.3f}")
    assert verbs(document) == ["Say", "Hangup"]


async def test_words_too_many_for_a_url_are_asked_for_again(ingress):
    await ingress.begin()
    ingress.trouble(StoreUnavailable())
    words = "".join(chr(random.randrange(97, 123)) for _ in range(20_000))
    document = await ingress.twiml("/twilio/turn/1", SpeechResult=words)
    assert "again" in said(document)
    assert document.find("Gather") is not None


async def test_a_full_store_refuses_new_calls_and_holds_running_ones_for_a_shorter_while(ingress):
    await ingress.begin()
    ingress.trouble(StoreFull())
    assert verbs(await ingress.twiml("/twilio/turn/1", SpeechResult="hi")) == ["Say", "Redirect"]
    assert verbs(await ingress.twiml(held_since(ingress, 21))) == ["Say", "Hangup"]
    ingress.call_sid = "CA-new"
    document = await ingress.begin()
    assert "All lines are busy" in said(document)
    assert verbs(document) == ["Say", "Hangup"]


async def test_a_refused_call_hears_that_all_lines_are_busy(ingress):
    ingress.trouble(CallRefused())
    assert "All lines are busy" in said(await ingress.begin())


async def test_a_rejected_turn_is_asked_for_again(ingress):
    await ingress.begin()
    ingress.trouble(TurnRejected())
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="hi")
    assert document.find("Gather").get("action") == "/twilio/turn/2"


async def test_a_store_that_hangs_is_a_store_that_is_away(start_ingress, monkeypatch):
    async def hang(*args: Any, **options: Any) -> Any:
        await asyncio.sleep(3600)

    async with start_ingress(timeouts=QUICK) as ingress:
        await ingress.begin()
        monkeypatch.setattr(ingress.runtime.dispatcher, "submit", hang)
        monkeypatch.setattr(ingress.runtime.dispatcher, "find", hang)
        document = await ingress.twiml("/twilio/turn/1", SpeechResult="hi")
        assert "held" in redirect_of(document)
        assert verbs(await ingress.twiml("/twilio/turn/1/wait?attempt=1")) == ["Say", "Redirect"]


async def test_a_bug_is_heard_as_an_apology_and_never_as_a_500(ingress, caplog):
    ingress.trouble(ZeroDivisionError("a bug"))
    for path in ("/twilio/voice", "/twilio/turn/1", "/twilio/turn/1/wait"):
        document = await ingress.twiml(path, SpeechResult="hi")
        assert verbs(document) == ["Say", "Hangup"]
    assert (await ingress.post("/twilio/status", CallStatus="completed")).status_code == 503
    failures = [record for record in caplog.records if record.message == "A request failed"]
    assert len(failures) == 4
    assert all(record.exc_info for record in failures)


@pytest.mark.parametrize("query", ["?attempt=x&since=y", "?attempt=-1", "?since=inf", "?since=9e99", ""])
async def test_a_wait_with_odd_figures_is_answered(ingress, query):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult="hi")
    assert said(await ingress.twiml(f"/twilio/turn/1/wait{query}")) == "You said hi."


async def test_a_turn_that_the_store_took_and_lost_is_handed_over_again(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            await gate.wait()
        yield f"You said {turn.text}."

    async with (
        start_ingress(agent=slow, timeouts=QUICK, **SHARED) as ingress,
        start_ingress(**SHARED) as after_the_loss,
    ):
        await ingress.begin()
        await after_the_loss.begin()
        path = redirect_of(await ingress.twiml("/twilio/turn/1", SpeechResult="remember me"))
        document = await after_the_loss.twiml(path)
        assert said(document) == "You said remember me."
        gate.set()
