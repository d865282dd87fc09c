"""Graphs of LangGraph: whose words are heard, and what is kept between turns."""

import warnings
from collections.abc import Callable
from typing import Any

from support.framework_agents import counter
from support.model_server import ModelServer, says

from orchestrator.agents.frameworks.framework_agent import STATE_SLOT
from orchestrator.agents.frameworks.langgraph import LangGraphAgent
from orchestrator.conversation.actions import HangUp

Begin = Callable[..., Any]


async def test_what_a_graph_keeps_besides_messages_is_there_at_its_next_turn(
    server: ModelServer, begin_with: Begin
) -> None:
    server.answers["small"] = [says("a"), says("b"), says("c")]
    server.answers["big"] = [says("One."), says("Two.")]
    call = begin_with(LangGraphAgent(counter(), silent=("think",)))
    assert [await call.say("hello"), await call.say("again"), await call.say("again")] == [
        "One.",
        "Two.",
        "That was the third time.",
    ]
    assert call.actions == [HangUp()]
    assert call.state.slots[STATE_SLOT] == {"shop:agent": {"count": 3, "trail": ["turn 1", "turn 2", "turn 3"]}}


async def test_models_of_silent_nodes_are_not_heard_and_others_are_set_apart(
    server: ModelServer, begin_with: Begin
) -> None:
    server.answers["small"], server.answers["big"] = [says("Hm, ", "pizza.")], [says("Which ", "pizza?")]
    assert await begin_with(counter()).say("a pizza") == "Hm, pizza. Which pizza?"


async def test_its_checkpointer_keeps_nothing(server: ModelServer, begin_with: Begin) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    server.answers["small"] = [says("a"), says("b")]
    server.answers["big"] = [says("One."), says("Two.")]
    saver = InMemorySaver()
    call = begin_with(LangGraphAgent(counter(checkpointer=saver), silent=("think",)))
    assert [await call.say("hello"), await call.say("again")] == ["One.", "Two."]
    assert [message["content"] for message in server.asked("big")[-1]["messages"]] == ["hello", "One.", "again"]
    assert list(saver.list(None)) == []


async def test_the_option_of_steps_bounds_a_turn(server: ModelServer, begin_with: Begin) -> None:
    from langgraph.errors import GraphRecursionError

    server.answers["small"] = [says("a")]
    call = begin_with(LangGraphAgent(counter(), silent=("think",), most_steps=1))
    try:
        await call.say("hello")
    except GraphRecursionError:
        return
    raise AssertionError("it went on")


def test_wrapping_a_graph_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LangGraphAgent(counter())
