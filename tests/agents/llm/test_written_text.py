"""What models write besides words: thoughts, markup, and calls that they wrote instead of making them."""

import asyncio
from collections.abc import Callable

import pytest
from support.model_server import Connection, ModelServer, says

from orchestrator.agents.llm.agent import FILLER
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.turn import Turn

from .conftest import Call

Begin = Callable[..., Call]
AT_ONCE = 0.05


@pytest.mark.parametrize(
    "pieces",
    [
        ["<think>\nThe caller wants X.", " Secret plan.\n</think>\n\nYour answer is four."],
        ["<th", "ink>The caller wants X. Sec", "ret plan.</th", "ink>Your answer is four."],
        ["<think>", "Secret plan.</think>Your answer is four."],
        ["Okay, the caller wants X.", " Secret plan.\n", "</think>", "\n\nYour answer is four."],
    ],
)
async def test_thoughts_are_neither_said_nor_remembered(server: ModelServer, begin: Begin, pieces: list[str]) -> None:
    server.answers["big"] = [says(*pieces), says("Good.")]
    call = begin()
    assert await call.say("what is two and two?") == "Your answer is four."
    await call.say("thanks")
    assert "Secret" not in str(server.asked("big")[1])


async def test_a_model_that_only_thinks_has_said_nothing(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("<think>" + "Hm. " * 1000)]
    server.answers["small"] = [says("Four.")]
    assert await begin(llm_fallback_model="small").say("two and two?") == "Four."


async def test_who_waits_for_thoughts_hears_that_something_happens(server: ModelServer, begin: Begin) -> None:
    ready = asyncio.Event()

    async def thinks(connection: Connection) -> None:
        await connection.open()
        await connection.delta(content="<think>Hm.")
        await ready.wait()
        await connection.delta(content="</think>Four.")
        await connection.delta(finish="stop")
        await connection.close()

    server.answers["big"] = [thinks]
    call = begin(llm_first_token_seconds=AT_ONCE)
    turn = Turn(turn_id="1", call_sid="CA1", kind="speech", text="two and two?")
    async with call.host.run(call.agent, turn, call.state) as run:
        assert await anext(run) == FILLER
        ready.set()
        assert [part async for part in run] == [" Four."]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (['```json\n{"name": "hang_up", ', '"parameters": {}}\n```'], ""),
        (['{"name": "hang_up", "parameters": {"reason": "done"}}'], ""),
        (["Thank you for calling, goodbye! ", "hang_up()"], "Thank you for calling, goodbye!"),
    ],
)
async def test_a_call_written_as_text_is_made(server: ModelServer, begin: Begin, written: list[str], said: str) -> None:
    server.answers["big"] = [says(*written), says("Goodbye.")]
    call = begin()
    assert (await call.say("that was all")).strip() == (said or "Goodbye.")
    assert [type(action) for action in call.actions] == [HangUp]


async def test_a_call_of_a_tool_that_there_is_not_is_no_answer(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says('{"name": "launch", "parameters": {}}')]
    server.answers["small"] = [says("I can't do that.")]
    assert await begin(llm_fallback_model="small").say("launch it") == "I can't do that."
