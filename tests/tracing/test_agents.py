"""What agents do inside of their span: fail, call models and tools, make spans of their own."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ModelServer, calls, refuses, says
from support.otlp_collector import OtlpCollector, grouped, tree
from support.processes import WebProcess, WorkerProcess

pytestmark = pytest.mark.processes

Start = Callable[..., Any]
Call = Callable[..., Any]

INSTRUMENTED = """
from opentelemetry import trace

class Instrumented:
    isolation = "{isolation}"

    async def reply(self, turn, state):
        with trace.get_tracer("theirs").start_as_current_span("look up"):
            yield "Hello."

reply = Instrumented()
"""
FAILING = """
import asyncio
from orchestrator import HangUp

async def reply(turn, state):
    if turn.text == "hang":
        await asyncio.Event().wait()
    raise KeyError("canary " + turn.text)
    yield ""
"""
AGENT = "theirs:reply"


def test_an_agents_own_spans_are_inside_of_its_span(
    start: Start, collector: OtlpCollector, call: Call, tmp_path: Path
) -> None:
    for isolation in ("inline", "thread", "process"):
        (tmp_path / f"{isolation}_agent.py").write_text(INSTRUMENTED.format(isolation=isolation))
    for isolation in ("inline", "thread", "process"):
        agent, call_sid = f"{isolation}_agent:reply", f"CA{isolation}"
        web = start(WebProcess, AGENT=agent, agents=tmp_path, USE_REDIS="false")
        call(web, call_sid).ring()
        trace = collector.wait_for(call_sid, "start", "POST /twilio/voice", "look up", "run turn")
        (own,), (ours,) = (grouped(trace)[name] for name in ("look up", f"invoke_agent {agent}"))
        assert own.parent_id == ours.span_id, isolation
        assert own.scope == "theirs"
        assert own.service == ("voiceagent-agents" if isolation == "process" else "voiceagent-web")


def test_a_turn_that_fails_says_so_with_the_class_of_the_error(
    start: Start, collector: OtlpCollector, call: Call, tmp_path: Path
) -> None:
    (tmp_path / "theirs.py").write_text(FAILING)
    web = start(WebProcess, AGENT=AGENT, agents=tmp_path, USE_REDIS="false", AGENT_TIMEOUT_SECONDS="0.5")
    caller = call(web, "CA1")
    caller.ring()
    caller.hear(caller.say(1, "hang"))
    for turn_id, path, error, outcome in (
        ("start", "voice", "KeyError", "failed"), ("turn-1", "turn/{n}", "timeout", "timed_out"),
    ):  # fmt: skip
        trace = collector.wait_for("CA1", turn_id, "run turn", f"POST /twilio/{path}")
        spans = {span.name: span for span in trace}
        for name in ("run turn", f"invoke_agent {AGENT}"):
            span = spans[name]
            assert (span.is_failed, span.attributes["error.type"]) == (True, error)
            assert span.attributes["voiceagent.outcome"] == outcome
        entry = next(span for span in trace if span.kind == "SERVER")
        assert (entry.is_failed, entry.attributes["error.type"]) == (True, outcome)
        assert not spans["commit"].is_failed
    assert b"canary" not in b"".join(collector.bodies)


async def test_requests_to_models_and_tools_are_inside_of_the_agents_span(
    start: Start, collector: OtlpCollector, call: Call, tmp_path: Path
) -> None:
    (tmp_path / "my_tools.py").write_text(
        'def weather(city: str) -> str:\n    """Weather."""\n    return "canary rain"\n'
    )
    async with ModelServer() as server:
        server.answers["big"] = [
            says("Hello."),
            calls("weather", {"city": "canary town"}), says("It is the canary rain."),
            refuses(401, message="canary in the request"),
        ]  # fmt: skip
        web = start(WebProcess, AGENT="echo")
        start(
            WorkerProcess, AGENT="llm", LLM_MODEL="big", LLM_BASE_URL=server.url, LLM_TOOLS="my_tools:weather",
            LLM_PROMPT="The canary prompt.", agents=tmp_path,
        )  # fmt: skip
        caller = call(web, "CA1")
        await asyncio.to_thread(caller.ring)
        await asyncio.to_thread(caller.say, 1, "canary words")
        await asyncio.to_thread(caller.say, 2, "more canary words")
        good = await asyncio.to_thread(collector.wait_for, "CA1", "turn-1", "run turn", "POST /twilio/turn/{n}")
        bad = await asyncio.to_thread(collector.wait_for, "CA1", "turn-2", "run turn", "POST /twilio/turn/{n}")
    (agent,) = grouped(good)["invoke_agent llm"]
    inside = [span for span in good if span.parent_id == agent.span_id]
    assert [span.name for span in inside] == ["chat big", "execute_tool weather", "chat big"]
    assert [span.kind for span in inside] == ["CLIENT", "INTERNAL", "CLIENT"]
    assert inside[1].attributes == {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather", "gen_ai.tool.type": "function",
    }  # fmt: skip
    assert inside[0].attributes["gen_ai.request.model"] == "big"
    (failed,) = grouped(bad)["chat big"]
    assert failed.is_failed
    assert [event.name for event in failed.proto.events] == ["exception"]
    exported = b"".join(collector.bodies)
    assert b"canary" not in exported
    assert b"5558675310" not in exported
    assert "run turn" in "\n".join(tree(bad))
