"""Agents of frameworks in a worker's process: the caller hears them, and their spans hold nothing that was said."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ModelServer, calls, says
from support.otlp_collector import OtlpCollector, grouped
from support.processes import WebProcess, WorkerProcess

pytestmark = pytest.mark.processes

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
AGENTS = ["pydantic_ai_pizzeria:agent", "langgraph_pizzeria:graph", "openai_agents_pizzeria:kitchen"]
Start = Callable[..., Any]
Call = Callable[..., Any]


@pytest.mark.parametrize("agent", AGENTS)
async def test_an_example_answers_a_call_and_its_tools_are_inside_of_the_agents_span(
    start: Start, collector: OtlpCollector, call: Call, agent: str
) -> None:
    async with ModelServer(keeps_connections=False) as server:
        server.answers["big"] = [
            says("Hello."),
            calls("order", {"pizza": "canary", "count": 2}, first=["One moment."]), says("It is ordered."),
        ]  # fmt: skip
        web = start(WebProcess, AGENT="echo")
        start(
            WorkerProcess, AGENT=agent, MODEL="big", OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sk-canary",
            OPENAI_AGENTS_DISABLE_TRACING="1", LANGSMITH_TRACING="false", agents=EXAMPLES,
        )  # fmt: skip
        caller = call(web, "CA1")
        greeting = await asyncio.to_thread(lambda: caller.hear(caller.ring()))
        answer = await asyncio.to_thread(lambda: caller.hear(caller.say(1, "two canary pizzas")))
        spans = await asyncio.to_thread(collector.wait_for, "CA1", "turn-1", "run turn", "POST /twilio/turn/{n}")
    assert "Hello." in greeting
    assert "One moment. It is ordered." in answer
    (span,) = grouped(spans)[f"invoke_agent {agent}"]
    below = {span.span_id}
    for other in spans:
        below |= {other.span_id} if other.parent_id in below else set()
    (tool,) = grouped(spans)["execute_tool order"]
    assert tool.span_id in below or tool.parent_id in below
    assert tool.attributes["gen_ai.tool.name"] == "order"
    assert b"canary" not in b"".join(collector.bodies)
