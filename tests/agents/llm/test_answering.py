"""How a language model answers a turn, and what the caller hears when it is slow, or breaks."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from support.model_server import (
    Connection,
    ModelServer,
    breaks_off,
    calls,
    event,
    hangs,
    refuses,
    says,
)
from support.waiting import wait_until

from orchestrator.agents.host import AgentHost
from orchestrator.agents.llm.agent import FILLER, MOST_REQUESTS
from orchestrator.agents.reply_text import BROKE_OFF, GOODBYE
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.turn import Turn
from orchestrator.errors import ModelFailed

Begin = Callable[..., Any]
AT_ONCE = 0.01


async def test_text_is_spoken_as_the_model_produces_it(server: ModelServer, begin: Begin, host: AgentHost) -> None:
    more = asyncio.Event()

    async def halting(connection: Connection) -> None:
        await connection.open()
        await connection.delta(content="Good ")
        await more.wait()
        await connection.delta(content="morning.")
        await connection.delta(finish="stop")
        await connection.close()

    server.answers["big"] = [halting]
    call = begin()
    turn = Turn(turn_id="1", call_sid="CA1", kind="started")
    async with host.run(call.agent, turn, call.state) as run:
        assert await anext(run) == "Good "
        more.set()
        assert [part async for part in run] == ["morning."]


async def test_the_key_and_the_prompt_are_sent_and_the_caller_is_described(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("Hello!")]
    await begin(llm_api_key="sk-secret", llm_prompt="You sell fish.").turn("started")
    (system, opening) = server.requests[0]["messages"]
    assert server.keys == ["bearer sk-secret"]
    assert system["role"] == "system"
    assert system["content"].startswith("You sell fish.")
    assert "+15550001111" in system["content"]
    assert opening == {"role": "user", "content": "[The call begins. Greet the caller.]"}
    assert server.requests[0]["stream"] is True


async def test_a_late_first_token_is_bridged_by_one_filler(server: ModelServer, begin: Begin) -> None:
    ready = asyncio.Event()
    server.answers["big"] = [says("Tuesday at ten.", until=ready)]
    call = begin(llm_first_token_seconds=AT_ONCE)
    turn = Turn(turn_id="1", call_sid="CA1", kind="speech", text="when?")
    async with call.host.run(call.agent, turn, call.state) as run:
        assert await anext(run) == FILLER
        ready.set()
        assert [part async for part in run] == [" Tuesday at ten."]


async def test_the_fallback_answers_when_the_model_is_late(server: ModelServer, begin: Begin) -> None:
    server.answers["big"], server.answers["small"] = [hangs], [says("Hello, ", "small here.")]
    call = begin(llm_first_token_seconds=AT_ONCE, llm_fallback_model="small")
    assert await call.turn("started") == f"{FILLER} Hello, small here."
    assert len(server.asked("big")) == 1


async def test_the_model_may_still_win_after_the_fallback_was_asked_which_is_then_left(
    server: ModelServer, begin: Begin
) -> None:
    is_asked = asyncio.Event()

    async def small(connection: Connection) -> None:
        is_asked.set()
        await hangs(connection)

    async def big(connection: Connection) -> None:
        await connection.open()
        await is_asked.wait()
        await connection.delta(content="Big ")
        await wait_until(lambda: server.left == 1, "the fallback was left")
        await connection.delta(content="here.")
        await connection.delta(finish="stop")
        await connection.close()

    server.answers["big"], server.answers["small"] = [big], [small]
    call = begin(llm_first_token_seconds=AT_ONCE, llm_fallback_model="small")
    assert await call.turn("started") == f"{FILLER} Big here."


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_refusal_goes_to_the_fallback_at_once_and_without_a_filler(
    server: ModelServer, begin: Begin, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["big"] = [refuses(status, message="sk-secret is no good")]
    server.answers["small"] = [says("Hello.")]
    call = begin(llm_fallback_model="small", llm_api_key="sk-secret")
    assert await call.turn("started") == "Hello."
    assert f"HTTP status {status}" in caplog.text
    assert "sk-secret" not in "".join(r.getMessage() for r in caplog.records if r.levelno > logging.DEBUG)


@pytest.mark.parametrize("status", [429, 500])
async def test_a_refusal_is_tried_again_when_there_is_no_fallback(
    server: ModelServer, begin: Begin, status: int
) -> None:
    server.answers["big"] = [refuses(status), says("Hello.")]
    assert await begin().turn("started") == "Hello."
    assert len(server.requests) == 2


async def test_a_turn_that_no_model_answers_fails_with_a_sentence(server: ModelServer, begin: Begin) -> None:
    server.answers["big"], server.answers["small"] = [refuses(500)], [refuses(401)]
    with pytest.raises(ModelFailed, match="The model small failed: it was answered with HTTP status 401"):
        await begin(llm_fallback_model="small").turn("started")


async def test_a_model_that_says_nothing_at_all_is_replaced(server: ModelServer, begin: Begin) -> None:
    server.answers["big"], server.answers["small"] = [says()], [says("Hello.")]
    assert await begin(llm_fallback_model="small").turn("started") == "Hello."


async def test_a_model_that_never_answers_ends_with_the_turns_time(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [hangs]
    with pytest.raises(ModelFailed, match="No model answered in time"):
        await begin(agent_timeout_seconds=0.2).turn("started")


async def broken_json(connection: Connection) -> None:
    await connection.open()
    await connection.delta(content="We are open")
    await connection.send(b'data: {"id": "c1", "choices": [{"del\n\n')
    await connection.close()


async def error_event(connection: Connection) -> None:
    await connection.open()
    await connection.delta(content="We are open")
    await connection.send(b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n')
    await connection.close()


@pytest.mark.parametrize(
    "answer", [breaks_off("We are open"), broken_json, error_event], ids=["cut", "broken", "error"]
)
async def test_an_answer_that_breaks_in_the_middle_ends_with_an_apology_and_keeps_the_call(
    server: ModelServer, begin: Begin, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["big"] = [answer]
    call = begin(llm_fallback_model="small")
    assert await call.say("when are you open?") == f"We are open {BROKE_OFF}"
    assert server.asked("small") == [], "the first token decides"
    assert "llm.stream_failed" in [getattr(record, "action", "") for record in caplog.records]


async def garbage(connection: Connection) -> None:
    await connection.open()
    await connection.send(b"data: garbage\n\n")
    await connection.close()


@pytest.mark.parametrize("answer", [breaks_off(), garbage], ids=["cut", "garbage"])
async def test_a_stream_that_breaks_before_its_first_token_goes_to_the_fallback(
    server: ModelServer, begin: Begin, answer: Any
) -> None:
    server.answers["big"] = [answer]
    server.answers["small"] = [says("Hello.")]
    assert await begin(llm_fallback_model="small").turn("started") == "Hello."


async def test_characters_split_over_packets_and_over_tokens_are_whole(server: ModelServer, begin: Begin) -> None:
    async def split(connection: Connection) -> None:
        await connection.open()
        whole = event("big", content="Grüße 你好 ")
        for byte in whole:
            await connection.send(bytes([byte]))
        for half in ("\\ud834", "\\udd1e", "!", "\\ud834", "?"):
            await connection.send(event("big", content="HALF").replace(b"HALF", half.encode()))
        await connection.delta(finish="stop")
        await connection.close()

    async def raw_utf8(connection: Connection) -> None:
        await connection.open()
        data = event("big", content="TEXT").replace(b"TEXT", "Grüße 你好".encode())
        for byte in data:
            await connection.send(bytes([byte]))
        await connection.delta(finish="stop")
        await connection.close()

    server.answers["big"] = [split, raw_utf8]
    call = begin()
    assert await call.turn("started") == "Grüße 你好 𝄞!\N{REPLACEMENT CHARACTER}?"
    assert await call.say("what?") == "Grüße 你好"


async def test_nothing_is_asked_of_the_model_once_nobody_listens(server: ModelServer, begin: Begin) -> None:
    call = begin()
    assert (await call.turn("ended", "completed"), await call.turn("interrupted", "Well")) == ("", "")
    assert server.requests == []


async def test_the_third_silence_in_a_row_ends_the_call(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("Are you there?"), says("Hello?")]
    call = begin()
    assert [await call.turn("silence") for _ in range(3)] == ["Are you there?", "Hello?", GOODBYE]
    assert call.actions == [HangUp(reason="silence")]


async def test_a_model_that_calls_tools_without_end_is_stopped(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [calls("look_up", {}) for _ in range(2 * MOST_REQUESTS)]
    assert await begin().say("when can I come?") == BROKE_OFF
    assert len(server.requests) == MOST_REQUESTS


async def test_an_interrupted_agent_leaves_the_model_at_once(server: ModelServer, begin: Begin) -> None:
    server.answers["big"], server.answers["small"] = [hangs], [hangs]
    call = begin(llm_first_token_seconds=AT_ONCE, llm_fallback_model="small")
    turn = Turn(turn_id="1", call_sid="CA1", kind="started")
    async with call.host.run(call.agent, turn, call.state) as run:
        assert await anext(run) == FILLER
        await wait_until(lambda: len(server.requests) == 2, "both models were asked")
    await wait_until(lambda: server.left == 2, "both models were left")


async def test_each_event_loop_has_connections_of_its_own(server: ModelServer, begin: Begin) -> None:
    call = begin()
    server.answers["big"] = [says("One."), says("Two."), says("Three.")]
    assert await call.turn("started") == "One."
    for answer in ("Two.", "Three."):  # as in a fresh loop, after another agent has blocked the one before
        async with AgentHost() as another:
            call.host = another
            assert await call.say("and?") == answer
