"""Agents of different frameworks, named in routes, that give a call to each other in one turn."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ModelServer, calls, says

from orchestrator.agents.agent_table import load_agents
from orchestrator.agents.call_history import ToolCall, history_of
from orchestrator.agents.host import AgentHost
from orchestrator.agents.reply_run import seen_turns
from orchestrator.agents.tool_records import CALLS_SLOT
from orchestrator.conversation.actions import HandOff
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.settings import Settings
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_turns import a_turn, claimed
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.runner import TurnRunner

ROUTES = """
[agents.reception]
agent = "{}"
settings = {{ house = "Bella Vista" }}

[agents.billing]
agent = "{}"
settings = {{ house = "The Office" }}

[[routes]]
number = "*"
agent = "reception"
"""
PYDANTIC_AI, LANGGRAPH = "pydantic_ai_pizzeria:agent", "langgraph_pizzeria:graph"
OPENAI = "openai_agents_pizzeria:reception"


@pytest.fixture
def routes(tmp_path: Path, examples: Path) -> Iterator[Any]:
    def write(first: str, second: str) -> Settings:
        (tmp_path / "routes.toml").write_text(ROUTES.format(first, second))
        return Settings(_env_file=None, routes=str(tmp_path / "routes.toml"))

    return write


@pytest.mark.parametrize(("first", "second"), [(PYDANTIC_AI, LANGGRAPH), (LANGGRAPH, OPENAI), (OPENAI, PYDANTIC_AI)])
async def test_one_gives_the_call_to_another_and_the_caller_hears_one_reply(
    server: ModelServer, host: AgentHost, routes: Any, first: str, second: str
) -> None:
    server.answers["big"] = [
        calls("give_to_billing", {"question": "the bill of May"}, first=["I give you a colleague."]),
        says("About May?"),
        says("It is paid."),
    ]
    states = InMemoryStateManager()
    store = InMemoryTurnStore(states)
    runner = TurnRunner(store, load_agents(routes(first, second)), host, agent_timeout_seconds=60)
    for turn_id, text in (("t1", "my bill, please"), ("t2", "yes, May")):
        await store.submit(a_turn(turn_id, text=text), opening={"agent": "reception"})
        await runner.run(await claimed(store))
    state = await states.get_state("CA1")
    assert isinstance(state, ConversationState)
    assert [record.reply.text for record in state.turns] == [
        "I give you a colleague. About May?", "It is paid.",
    ]  # fmt: skip
    assert state.agent == "billing"
    asked = ["".join(str(message.get("content")) for message in request["messages"]) for request in server.requests]
    assert ["Bella Vista" in asked[0], "The Office" in asked[1], "The Office" in asked[2]] == [True, True, True]
    assert "Its note: the bill of May]" in asked[1]
    assert "my bill, please" in asked[2]


async def test_without_its_history_the_second_sees_no_tool_that_the_first_has_called() -> None:
    hand_off = HandOff("billing", history="none", at=9)
    reply = Reply(text="Ordered. Billing here.", actions=[hand_off])
    record = TurnRecord.of(a_turn("t1", text="secret words"), "replied", reply)
    calls = [
        {"turn": "t1", "key": "CA1/t1/order/1", "tool": "order", "arguments": {"pizza": "secret"}, "result": 1},
        {"turn": "t1", "key": "CA1/t1/h1/bill/2", "tool": "bill", "arguments": {}, "result": 2},
    ]
    state = ConversationState(call_sid="CA1", turns=seen_turns([record]), slots={CALLS_SLOT: calls})
    entries = history_of(state, 10_000)
    assert [entry.tool for entry in entries if isinstance(entry, ToolCall)] == ["bill"]
    assert "secret" not in str(entries)
