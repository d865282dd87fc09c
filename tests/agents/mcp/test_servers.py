"""The tools of MCP servers: real servers of the package `mcp`, over HTTP on loopback and over stdio."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.mcp_shop import McpShop
from support.waiting import wait_until

from orchestrator.agents.mcp.connection import ConnectionTimes
from orchestrator.agents.mcp.servers import McpServers, McpTool
from orchestrator.errors import McpServerAway
from orchestrator.settings.mcp_servers import McpServer

pytestmark = pytest.mark.processes
LONG = 60.0
TESTS = Path(__file__).parents[2]


@asynccontextmanager
async def opened(*servers: McpServer, **times: Any) -> AsyncIterator[McpServers]:
    """The servers, as the agents' event loop would have them. Nobody looks whether they are there."""
    found = McpServers(servers, first_seconds=LONG, times=ConnectionTimes(**{"refresh": LONG, **times}))
    try:
        yield found
    finally:
        await found.close()


async def named(servers: McpServers, name: str, taken: tuple[str, ...] = ()) -> McpTool:
    return next(tool for tool in await servers.tools(taken) if tool.name == name)


async def test_tools_are_found_and_called_with_a_key_that_their_server_gets() -> None:
    async with McpShop() as shop, opened(McpServer("shop", shop.url)) as servers:
        stock, reserve = await named(servers, "stock"), await named(servers, "reserve")
        assert stock.tool.description == "How many of an item there are."
        assert set(stock.tool.schema["properties"]) == {"item"}
        assert await stock.call({"item": "tea"}, "k") == "shop: 3 tea"
        assert await reserve.call({"item": "tea"}, "CA1/1/reserve/ab") == {"reserved": "tea"}
        assert shop.log == [("stock", "tea"), ("reserve", "CA1/1/reserve/ab")]


async def test_a_command_is_started_and_talks_over_its_standard_input_and_output() -> None:
    program = str(TESTS / "support" / "mcp_shop.py")
    server = McpServer(
        "shop", command=sys.executable, arguments=(program, "cellar"), environment={"PYTHONPATH": str(TESTS)}
    )
    async with opened(server) as servers:
        await wait_until(lambda: _is_open(servers), "the server has started", timeout=60)
        assert await (await named(servers, "stock")).call({"item": "tea"}, "k") == "cellar: 3 tea"


async def _is_open(servers: McpServers) -> bool:
    return bool(await servers.tools(()))


async def test_names_that_collide_get_the_name_of_their_server() -> None:
    async with (
        McpShop(words="one") as one,
        McpShop(words="two") as two,
        opened(McpServer("north.shop", one.url), McpServer("south", two.url)) as servers,
    ):
        names = [tool.name for tool in await servers.tools(("hang_up",))]
        assert {"stock", "north_shop_hang_up", "south_stock", "south_hang_up"} <= set(names)
        assert len(names) == len(set(names))
        assert await (await named(servers, "south_stock", ("hang_up",))).call({"item": "tea"}, "k") == "two: 3 tea"


async def test_what_a_tool_says_of_its_failure_reaches_the_model_and_results_are_bounded() -> None:
    async with McpShop() as shop, opened(McpServer("shop", shop.url)) as servers:
        assert "fail" in (await (await named(servers, "fail")).call({}, "k"))["error"]
        assert "item" in (await (await named(servers, "stock")).call({}, "k"))["error"]
        assert len(await (await named(servers, "long")).call({}, "k")) == 100_000, "the toolset cuts it"


async def test_a_tool_that_hangs_is_left_and_its_server_goes_on() -> None:
    async with McpShop() as shop, opened(McpServer("shop", shop.url), call=0.3) as servers:
        with pytest.raises(TimeoutError):
            await (await named(servers, "hang")).call({}, "k")
    assert ("hang", None) in shop.log


async def test_a_server_that_is_away_is_told_of_once_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with McpShop(words="old") as shop:
        port = shop.port
        async with opened(McpServer("shop", shop.url), retry=(0.01,)) as servers:
            stock = await named(servers, "stock")
            await shop.__aexit__(None, None, None)
            with pytest.raises((McpServerAway, TimeoutError)):
                await stock.call({"item": "tea"}, "k")
            await wait_until(lambda: _is_away(servers), "its tools are gone", timeout=LONG / 2)
            await wait_until(lambda: stock.connection.failures > 2, "it was tried again")
            async with McpShop(words="new", port=port):
                await wait_until(lambda: _is_open(servers), "its tools are back", timeout=60)
                assert await (await named(servers, "stock")).call({"item": "tea"}, "k") == "new: 3 tea"
    told = [record.action for record in caplog.records if getattr(record, "action", "").startswith("llm.mcp")]
    assert told == ["llm.mcp_away", "llm.mcp_back"]


async def _is_away(servers: McpServers) -> bool:
    return not await servers.tools(())


@pytest.mark.parametrize(
    "server", [McpServer("gone", "http://127.0.0.1:9/mcp"), McpServer("gone", command="no-such-command")]
)
async def test_one_that_was_never_there_costs_nothing_and_gives_no_tools(
    server: McpServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with McpShop() as shop, opened(server, McpServer("shop", shop.url)) as servers:
        assert "stock" in [tool.name for tool in await servers.tools(())]
    [line] = [record.getMessage() for record in caplog.records if getattr(record, "action", "") == "llm.mcp_away"]
    assert "The MCP server gone is away" in line
