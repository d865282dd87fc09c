"""Agents that were made with a framework, beside those of the guide. Each function imports its framework alone."""

from dataclasses import dataclass
from operator import add
from typing import Annotated, Any

from orchestrator import CallContext, HangUp, Play, current_call


@dataclass
class Deps:
    """What the tools of somebody's agent take already."""

    number: str

    @classmethod
    def from_call(cls, call: CallContext) -> "Deps":
        return cls(call.state.from_number)


def singer(**options: Any) -> Any:
    """An agent of pydantic-ai with system prompts, deps of its own, and a tool that plays a song."""
    from pydantic_ai import Agent, RunContext
    from pydantic_ai.models.openai import OpenAIChatModel

    agent = Agent(OpenAIChatModel("big"), **{"deps_type": Deps, "system_prompt": "You sing.", **options})

    @agent.system_prompt
    def who(ctx: RunContext[Deps]) -> str:
        return f"The caller is {ctx.deps.number}."

    @agent.tool_plain
    def sing() -> str:
        """Sing."""
        current_call().act(Play("https://example.com/song.mp3"))
        current_call().act(Play("https://example.com/song.mp3"))
        return "You sing."

    return agent


def counter(**compiled: Any) -> Any:
    """A graph of LangGraph that counts its turns in its own state, and whose first node talks to itself. Its second
    one is a graph of its own, which hangs up at the third turn without asking a model."""
    from langchain_core.messages import AIMessage
    from langchain_openai import ChatOpenAI
    from langgraph.graph import START, MessagesState, StateGraph

    class State(MessagesState):
        count: int
        trail: Annotated[list[str], add]
        thing: object

    async def think(state: State) -> dict[str, Any]:
        await ChatOpenAI(model="small").ainvoke("What is it about?")
        count = state.get("count", 0) + 1
        return {"count": count, "trail": [f"turn {count}"], "thing": object()}

    async def talk(state: "Inner") -> dict[str, Any]:
        if state["count"] == 3:
            current_call().act(HangUp())
            return {"messages": [AIMessage("That was the third time.")]}
        return {"messages": [await ChatOpenAI(model="big").ainvoke(state["messages"])]}

    class Inner(MessagesState):
        count: int

    inner = StateGraph(Inner).add_node("talk", talk).add_edge(START, "talk").compile()
    outer = StateGraph(State).add_node("think", think).add_node("inner", inner)
    return outer.add_edge(START, "think").add_edge("think", "inner").compile(**compiled)


def uncompiled() -> Any:
    """A graph of LangGraph that nobody has compiled."""
    from langgraph.graph import MessagesState, StateGraph

    return StateGraph(MessagesState)


def wordless() -> Any:
    """A graph of LangGraph whose state has no messages."""
    from langgraph.graph import START, StateGraph

    class State(dict):  # type: ignore[type-arg]
        __annotations__ = {"count": int}

    graph = StateGraph(State).add_node("step", lambda state: {"count": 1})  # type: ignore[call-overload]
    return graph.add_edge(START, "step").compile()


def office(*, by_object: bool = False, **options: Any) -> Any:
    """Three agents of the OpenAI Agents SDK that hand over in a circle, as agents or as `handoff(…)` of them."""
    from agents import Agent, OpenAIChatCompletionsModel, handoff
    from openai import AsyncOpenAI

    model = OpenAIChatCompletionsModel("big", AsyncOpenAI())
    first, second, third = (Agent(name=name, instructions=f"You are {name}.", model=model) for name in "ABC")
    for agent, to in ((first, second), (second, third), (third, first)):
        agent.handoffs = [handoff(to) if by_object else to]
    for name, value in options.items():
        setattr(first, name, value)
    return first
