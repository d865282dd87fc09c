"""Every turn is counted and logged once, when its caller first gets its reply: slow and failed turns, too."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import QUICK, redirect_of, said
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable

SLOW = 20


@pytest.fixture
def slow(gate):
    """Waits for the gate, or raises, as the words of the turn say."""

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "started":
            yield "Hello!"
            return
        if "slow" in turn.text:
            await gate.wait()
        if "bad" in turn.text:
            raise ValueError("as I was told")
        yield f"You said {turn.text}."

    return agent


async def figure(ingress, name: str, **labels: str) -> float:
    """Return the value of one sample of `/metrics`; 0 while there is none."""
    text = (await ingress.client.get("/metrics")).text
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = [line for line in text.splitlines() if line.startswith(name + "{") and all(w in line for w in wanted)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def logged(caplog, turn_id: str) -> list[logging.LogRecord]:
    return [r for r in caplog.records if getattr(r, "action", "") == "turn.answered" and r.turn_id == turn_id]


async def heard(ingress, document) -> str:
    """Return what the caller hears after all fillers."""
    while document.find("Gather") is None and document.find("Hangup") is None:
        document = await ingress.twiml(redirect_of(document))
    return said(document)


async def is_settled(ingress, turn_id: str):
    state = await ingress.state()
    return state is not None and state.record_of(turn_id) is not None


@pytest.mark.parametrize(("words", "outcome"), [("slow", "replied"), ("slow and bad", "failed")])
async def test_a_turn_whose_caller_heard_a_filler_is_counted_once(start_ingress, slow, gate, caplog, words, outcome):
    caplog.set_level(logging.INFO)
    async with start_ingress(agent=slow, timeouts=QUICK) as ingress:
        for number in range(SLOW):
            gate.clear()
            ingress.call_sid = f"CA{number}"
            await ingress.begin()
            filler = await ingress.twiml("/twilio/turn/1", SpeechResult=words)
            assert filler.find("Gather") is None
            gate.set()
            await wait_until(lambda: is_settled(ingress, "turn-1"), "the reply is ready")
            await heard(ingress, filler)
            await heard(ingress, filler)  # the provider asks again
        assert await figure(ingress, "voiceagent_turns_total", channel="gather", outcome=outcome) == SLOW + (
            SLOW if outcome == "replied" else 0
        )
        seconds = await figure(ingress, "voiceagent_turn_seconds_sum", channel="gather", outcome=outcome)
        assert seconds >= SLOW * QUICK["filler_after"]
    assert len(logged(caplog, "turn-1")) == SLOW
    assert {record.outcome for record in logged(caplog, "turn-1")} == {outcome}


async def test_a_turn_that_began_at_another_ingress_is_counted_where_it_is_answered(start_ingress, slow, gate):
    """It knows of the turn by the wait redirect alone."""
    async with start_ingress(agent=slow, timeouts=QUICK) as ingress:
        await ingress.begin()
        filler = await ingress.twiml("/twilio/turn/1", SpeechResult="slow")
        ingress.app.state.ingress.deliveries.forget()
        gate.set()
        await wait_until(lambda: is_settled(ingress, "turn-1"), "the reply is ready")
        await heard(ingress, filler)
        assert await figure(ingress, "voiceagent_turns_total", channel="gather") == 2


async def test_copies_of_a_webhook_are_counted_once(start_ingress, slow, gate):
    async with start_ingress(agent=slow) as ingress:
        await ingress.begin()
        copies = [asyncio.ensure_future(ingress.post("/twilio/turn/1", SpeechResult="slow")) for _ in range(5)]
        await wait_until(lambda: len(ingress.turns) == 6, "all of them were handed over")
        gate.set()
        await asyncio.gather(*copies)
        await ingress.post("/twilio/turn/1", SpeechResult="slow")
        assert await figure(ingress, "voiceagent_turns_total", channel="gather") == 2
        assert await figure(ingress, "voiceagent_turn_first_word_seconds_count", channel="gather") == 2


async def test_a_caller_who_was_held_in_vain_is_counted(start_ingress, slow):
    async with start_ingress(agent=slow, timeouts={**QUICK, "hold": 0.0}) as ingress:
        await ingress.begin()
        ingress.trouble(StoreUnavailable())
        document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
        assert "sorry" in said(document)
        assert await figure(ingress, "voiceagent_turns_total", channel="gather", outcome="unanswered") == 1


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_client_that_asks_again_after_a_504_is_counted_then(start_ingress, slow, gate, accept):
    timeouts = {"reply_grace": -59.9, "result": 0.1}
    async with start_ingress(agent=slow, timeouts=timeouts, agent_timeout_seconds=60) as ingress:

        async def ask(text="slow"):
            body = {"turn_id": "t1", "text": text}
            return await ingress.client.post("/calls/chat/turns", json=body, headers={"accept": accept})

        assert "The turn goes on" in (await ask()).text
        gate.set()
        ingress.call_sid = "chat"
        await wait_until(lambda: is_settled(ingress, "t1"), "the reply is ready")
        for _ in range(3):
            assert "You said slow." in (await ask()).text
        assert await figure(ingress, "voiceagent_turns_total", channel="api") == 1
        assert await figure(ingress, "voiceagent_turn_first_word_seconds_count", channel="api") == 1


async def test_on_a_relay_the_first_word_is_measured_beside_the_last(start_ingress, gate):
    async def drawling(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Well, "
        if turn.kind != "started":
            await gate.wait()
        yield "that is it."

    async with start_ingress(agent=drawling, voice_channel="relay") as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid)
            await caller.reply()
            await caller.prompt("hello")
            assert (await caller.frame())["token"] == "Well, "
            await wait_until(lambda: first_words(ingress, 2), "the first word is counted")
            assert await figure(ingress, "voiceagent_turn_seconds_count", channel="relay") == 1
            gate.set()
            assert await caller.reply() == "that is it."
            await wait_until(lambda: answered(ingress, 2), "the last word is counted")
        assert await figure(ingress, "voiceagent_turn_first_word_seconds_count", channel="relay") == 2


async def first_words(ingress, number):
    return await figure(ingress, "voiceagent_turn_first_word_seconds_count", channel="relay") == number


async def answered(ingress, number):
    return await figure(ingress, "voiceagent_turns_total", channel="relay") == number


async def test_a_reply_that_was_cut_off_is_counted(start_ingress):
    async def endless(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            yield "Once upon a time "
            await asyncio.Event().wait()
        yield "Hello!"

    async with start_ingress(agent=endless, voice_channel="relay") as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(ingress.call_sid)
        await caller.reply()
        await caller.prompt("a story")
        await caller.frame()
        await caller.send("interrupt", utteranceUntilInterrupt="Once", durationUntilInterruptMs=200)
        await wait_until(lambda: cut_off(ingress), "the cut-off reply is counted")


async def cut_off(ingress):
    return await figure(ingress, "voiceagent_turns_total", channel="relay", outcome="interrupted") == 1


async def test_a_reply_that_is_said_over_a_new_socket_is_counted_once(start_ingress, slow, gate):
    async with start_ingress(agent=slow, voice_channel="relay") as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid)
            await caller.reply()
            await caller.prompt("slow")
            await wait_until(lambda: len(ingress.turns) == 2, "the turn was handed over")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid, "VX2")
            gate.set()
            assert await caller.reply() == "You said slow."
            await wait_until(lambda: answered(ingress, 2), "it is counted")
            await caller.prompt("again")
            await caller.reply()
            await wait_until(lambda: answered(ingress, 3), "and so is the next one")


@pytest.fixture
async def outrun(ingress, monkeypatch):
    """An ingress in which every reply is faster than the store's answer to its submission."""
    submit = ingress.store.submit

    async def submit_slowly(turn: Turn, **options: Any) -> Any:
        pending = ingress.dispatcher.hub.pending(turn.call_sid, turn.turn_id)
        recorded = await submit(turn, **options)
        if recorded is None:
            assert await pending.wait(60) is not None
        return recorded

    monkeypatch.setattr(ingress.store, "submit", submit_slowly)
    return ingress


async def test_a_reply_that_is_faster_than_the_stores_answer_is_counted_and_read_from_no_state(outrun, monkeypatch):
    async def read(*_: Any) -> Any:
        raise AssertionError("the state was read, as for a retry")

    monkeypatch.setattr("web.twilio.known_call.KnownCall.read", read)
    await outrun.begin()
    assert said(await outrun.twiml("/twilio/turn/1", SpeechResult="so fast")) == "You said so fast."
    assert await figure(outrun, "voiceagent_turns_total", channel="gather", outcome="replied") == 2
    body = {"turn_id": "t1", "text": "hello"}
    for _ in range(2):
        answer = await outrun.client.post("/calls/demo/turns", json=body)
        assert answer.json()["reply"]["text"] == "You said hello."
    assert await figure(outrun, "voiceagent_turns_total", channel="api", outcome="replied") == 1
