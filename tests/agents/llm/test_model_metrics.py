"""Requests to models, their first tokens and their tokens are counted, also where a process of its own asks."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.counting import counting, totals
from support.model_server import Answer, Connection, ModelServer, hangs, refuses, says
from support.waiting import wait_until

from orchestrator.agents.host import AgentHost
from orchestrator.agents.loader import configured_agent
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.process_metrics import catalog
from orchestrator.settings import Settings

Begin = Callable[..., Any]


def says_and_tells(text: str, *, read: int, wrote: int) -> Answer:
    """An answer whose stream ends with the tokens that it took."""

    async def answer(connection: Connection) -> None:
        await connection.open()
        await connection.delta(role="assistant", content=text)
        await connection.delta(finish="stop")
        usage = {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
        chunk = {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "big",
            "choices": [],
            "usage": usage,
        }
        await connection.send(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await connection.close()

    return answer


async def test_an_answer_counts_with_its_first_token_and_its_tokens(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says_and_tells("Hello!", read=120, wrote=7)]
    with (
        counting(catalog.MODEL_REQUEST_SECONDS) as requests,
        counting(catalog.MODEL_FIRST_TOKEN_SECONDS) as first_tokens,
        counting(catalog.MODEL_TOKENS) as tokens,
    ):
        assert await begin().say("hello") == "Hello!"
    assert requests == {("big", "answered"): 1}
    assert first_tokens == {("big",): 1}
    assert tokens == {("big", "input"): 120, ("big", "output"): 7}


async def test_a_model_that_fails_and_the_one_that_is_asked_instead(server: ModelServer, begin: Begin) -> None:
    server.answers["big"], server.answers["small"] = [refuses(401)], [says("Hello!")]
    with counting(catalog.MODEL_REQUEST_SECONDS) as requests:
        assert await begin(llm_fallback_model="small").say("hello") == "Hello!"
    assert requests == {("big", "failed"): 1, ("small", "answered"): 1}


async def test_a_model_that_is_too_slow_and_cancelled(server: ModelServer, begin: Begin) -> None:
    server.answers["big"], server.answers["small"] = [hangs], [says("Hello!")]
    before = totals(catalog.MODEL_REQUEST_SECONDS).get(("big", "cancelled"), 0)
    await begin(llm_fallback_model="small", llm_first_token_seconds=0.01).say("hello")
    await wait_until(
        lambda: totals(catalog.MODEL_REQUEST_SECONDS).get(("big", "cancelled"), 0) == before + 1, "the loser is counted"
    )


@pytest.mark.processes
async def test_what_an_agent_in_a_process_of_its_own_has_asked(server: ModelServer) -> None:
    server.answers["big"] = [says_and_tells("Hello!", read=120, wrote=7)]
    settings = Settings(_env_file=None, agent="llm", llm_model="big", llm_base_url=server.url)
    turn = Turn(turn_id="t1", call_sid="CA1", kind="speech", text="hello")
    state = ConversationState(call_sid="CA1")
    with counting(catalog.MODEL_TOKENS) as tokens, counting(catalog.MODEL_REQUEST_SECONDS) as requests:
        async with AgentHost(settings) as host, host.run(configured_agent(settings), turn, state, "alone") as run:
            assert [part async for part in run] == ["Hello!"]
    assert tokens == {("big", "input"): 120, ("big", "output"): 7}
    assert requests == {("big", "answered"): 1}
