"""The agent `llm` with the tools of an MCP server: a real model client, a real server, in an agent's turn."""

import logging
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from support.mcp_shop import McpShop
from support.model_server import ModelServer, calls, says
from support.waiting import wait_until

from orchestrator.agents.loader import configured_agent
from orchestrator.agents.reply_text import BROKE_OFF
from orchestrator.agents.tool_records import CALLS_SLOT
from orchestrator.errors import BadAgent
from orchestrator.settings import Settings

Begin = Callable[..., Any]
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
async def shop() -> AsyncIterator[McpShop]:
    async with McpShop() as shop:
        yield shop


async def answered(server: ModelServer, call: Any) -> None:
    """Let turns pass until the model is offered the tools of the MCP server: the first one may be too early."""

    async def is_offered() -> bool:
        server.answers["big"].append(says("Hello."))
        await call.say("hello")
        return "stock" in [tool["function"]["name"] for tool in server.requests[-1]["tools"]]

    await wait_until(is_offered, "the model is offered the server's tools")


async def test_the_model_calls_a_tool_of_a_server_once_with_a_key(
    server: ModelServer, begin: Begin, shop: McpShop
) -> None:
    call = begin(llm_mcp_servers=shop.url)
    await answered(server, call)
    item = {"item": "tea"}
    server.answers["big"] = [calls("reserve", item), calls("reserve", item), says("It is yours.")]
    assert await call.say("put tea aside") == "It is yours."
    [record] = call.state.slots[CALLS_SLOT]
    assert shop.log == [("reserve", record["key"])]
    assert record["result"] == {"reserved": "tea"}


async def test_a_name_that_the_agent_has_stays_the_agents(server: ModelServer, begin: Begin, shop: McpShop) -> None:
    call = begin(llm_mcp_servers=shop.url)
    await answered(server, call)
    names = [tool["function"]["name"] for tool in server.requests[-1]["tools"]]
    assert names.count("hang_up") == 1
    assert "127_0_0_1_hang_up" in names


async def test_what_a_server_returns_is_bounded(server: ModelServer, begin: Begin, shop: McpShop) -> None:
    call = begin(llm_mcp_servers=shop.url)
    await answered(server, call)
    server.answers["big"] = [calls("long", {}), calls("fail", {}), says("Well.")]
    await call.say("read it")
    told = [message["content"] for message in server.requests[-1]["messages"] if message["role"] == "tool"]
    assert len(told[0]) < 5000
    assert "Error executing tool fail" in told[1]


async def test_a_server_that_hangs_ends_with_the_turns_time(server: ModelServer, begin: Begin, shop: McpShop) -> None:
    await answered(server, begin(llm_mcp_servers=shop.url))
    call = begin(llm_mcp_servers=shop.url, agent_timeout_seconds=6)  # the same connection
    await answered(server, call)
    server.answers["big"] = [calls("hang", {})]
    assert await call.say("wait") == BROKE_OFF
    assert ("hang", None) in shop.log


async def test_a_server_that_is_away_costs_no_turn_and_one_warning(
    server: ModelServer, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.answers["big"] = [says("Hello."), says("Yes?"), says("Bye.")]
    call = begin(llm_mcp_servers="http://127.0.0.1:9/mcp")
    assert [await call.turn("started"), await call.say("a"), await call.say("b")] == ["Hello.", "Yes?", "Bye."]
    told = [record.action for record in caplog.records if getattr(record, "action", "").startswith("llm.mcp")]
    assert told == ["llm.mcp_away"]
    assert [tool["function"]["name"] for tool in server.requests[-1]["tools"]] == ["hang_up", "look_up", "book"]


def test_the_extra_is_asked_for_when_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    settings = Settings(
        _env_file=None, agent="llm", llm_model="big", llm_base_url="http://x/v1", llm_mcp_servers="http://x/mcp"
    )
    with pytest.raises(BadAgent, match="Install the extra `mcp`: pip install 'mcp") as refused:
        configured_agent(settings)
    assert f'"{str(refused.value).split(chr(39))[1]}"' in (REPOSITORY / "pyproject.toml").read_text()
