"""An `Agent` of pydantic-ai: its prompts, and what its tools get."""

from collections.abc import Callable
from typing import Any

from pydantic_ai import TextOutput
from support.framework_agents import singer
from support.model_server import ModelServer, calls, says

from orchestrator.conversation.actions import Play

Begin = Callable[..., Any]


async def test_its_system_prompt_is_there_at_each_turn(server: ModelServer, begin_with: Begin) -> None:
    server.answers["big"] = [says("La."), says("La la.")]
    call = begin_with(singer())
    await call.turn("started")
    await call.say("more")
    for request in server.requests:
        system = [message["content"] for message in request["messages"] if message["role"] == "system"]
        assert system == ["You sing.", "The caller is +15550001111."]


async def test_an_inline_action_comes_before_the_words_that_follow_and_once(
    server: ModelServer, begin_with: Begin
) -> None:
    server.answers["big"] = [calls("sing", {}, first=["Listen."]), says("Did you like it?")]
    call = begin_with(singer())
    assert await call.say("sing!") == "Listen. Did you like it?"
    assert [action.model_dump(exclude={"at"}) for action in call.actions] == [
        Play("https://example.com/song.mp3").model_dump(exclude={"at"})
    ]


async def test_text_of_an_output_function_is_spoken(server: ModelServer, begin_with: Begin) -> None:
    server.answers["big"] = [calls("final_result", {"pizza": "Funghi"})]

    def order(pizza: str) -> str:
        return f"One {pizza} is on its way."

    assert await begin_with(singer(output_type=[order])).say("a Funghi") == "One Funghi is on its way."


async def test_what_a_model_says_before_its_output_function_stands(server: ModelServer, begin_with: Begin) -> None:
    server.answers["big"] = [says("funghi")]

    def shouted(text: str) -> str:
        return text.upper()

    call = begin_with(singer(output_type=TextOutput(shouted)))
    assert await call.say("a Funghi") == "funghi", "it was spoken as the model produced it"
