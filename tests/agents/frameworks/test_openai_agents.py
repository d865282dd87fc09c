"""Agents of the OpenAI Agents SDK: hand-offs among them, and the agent that answered last."""

from collections.abc import Callable
from typing import Any

import pytest
from agents import RunConfig
from support.framework_agents import office
from support.model_server import ModelServer, calls, says

from orchestrator.agents.frameworks.framework_agent import STATE_SLOT
from orchestrator.agents.frameworks.openai_agents import OpenAIAgent
from orchestrator.agents.tool_records import CALLS_SLOT

Begin = Callable[..., Any]


def prompt(server: ModelServer) -> str:
    return str(server.requests[-1]["messages"][0]["content"])


@pytest.mark.parametrize("by_object", [False, True])
async def test_the_agent_that_answered_last_goes_on(server: ModelServer, begin_with: Begin, by_object: bool) -> None:
    server.answers["big"] = [
        calls("transfer_to_b", {}, first=["I ask B."]),
        calls("transfer_to_c", {}),
        says("C here."),
        says("Still C."),
        calls("transfer_to_a", {}),
        says("A again."),
        says("Still A."),
    ]
    call = begin_with(office(by_object=by_object))
    assert await call.say("hello") == "I ask B. C here."
    assert call.state.slots[STATE_SLOT] == {"shop:agent": {"agent": "C"}}
    assert CALLS_SLOT not in call.state.slots, "a hand-off is no tool"
    assert (await call.say("and?"), prompt(server)) == ("Still C.", "You are C.")
    assert (await call.say("A, please"), prompt(server)) == ("A again.", "You are A.")
    assert (await call.say("and?"), prompt(server)) == ("Still A.", "You are A.")


async def test_without_an_agent_of_that_name_the_first_answers(server: ModelServer, begin_with: Begin) -> None:
    server.answers["big"] = [says("A here.")]
    call = begin_with(office())
    call.state.slots[STATE_SLOT] = {"shop:agent": {"agent": "Z"}}
    assert (await call.say("hello"), prompt(server)) == ("A here.", "You are A.")


async def test_a_hand_off_that_is_interrupted_holds(server: ModelServer, begin_with: Begin) -> None:
    from orchestrator.conversation.turn import Turn

    server.answers["big"] = [calls("transfer_to_b", {}), says("B ", "here."), says("Yes?")]
    call = begin_with(office())
    turn = Turn(turn_id="1", call_sid="CA1", kind="speech", text="B, please")
    async with call.run(turn) as run:
        assert await anext(run) == "B "
    call.keep(turn, "B ", run.state_when_stopped, "interrupted", heard="B")
    assert (await call.say("hello?"), prompt(server)) == ("Yes?", "You are B.")


async def test_the_sdks_own_options_are_taken(server: ModelServer, begin_with: Begin) -> None:
    server.answers["small"] = [says("Small here.")]
    from agents import OpenAIChatCompletionsModel
    from openai import AsyncOpenAI

    model = OpenAIChatCompletionsModel("small", AsyncOpenAI())
    call = begin_with(OpenAIAgent(office(), run_config=RunConfig(model=model, tracing_disabled=True), overlap="merge"))
    assert (await call.say("hello"), call.agent.overlap) == ("Small here.", "merge")
