"""`McpServers`: the tools of all servers of `LLM_MCP_SERVERS`, for the agent `llm`."""

import asyncio
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from orchestrator.agents.mcp.connection import ConnectionTimes, McpConnection
from orchestrator.agents.mcp.session import ServerTool
from orchestrator.settings.mcp_servers import McpServer

FIRST_SECONDS = 1.0
"""How long the first turn of a process waits for the servers; later turns wait for none."""
LONGEST_NAME = 64
"""What servers of models take, and letters, digits, _ and - only."""
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True)
class McpTool:
    """A tool under the `name` that the model knows it by."""

    name: str
    tool: ServerTool
    connection: McpConnection

    async def call(self, arguments: dict[str, Any], key: str) -> Any:
        """Return what the tool returned. Raise `McpServerAway` or TimeoutError."""
        return await self.connection.call(self.tool.name, arguments, key)


class McpServers:
    """Keeps a connection to each server in each event loop that agents run in; they end with the loop."""

    def __init__(
        self,
        servers: Sequence[McpServer],
        *,
        first_seconds: float = FIRST_SECONDS,
        times: ConnectionTimes = ConnectionTimes(),  # noqa: B008 (it is frozen)
    ) -> None:
        self._servers = servers
        self._first_seconds = first_seconds
        self._times = times
        self._connections: dict[asyncio.AbstractEventLoop, list[McpConnection]] = {}

    async def tools(self, taken: Collection[str]) -> list[McpTool]:
        """Return the tools of the servers that are there now.

        A tool whose name is `taken`, or is that of an earlier server's tool, gets the name of its server in front. So
        that names stay, a server that is away keeps those of its tools.
        """
        names = set(taken)
        return [tool for tool in self._named(await self._connected(), names) if tool.connection.is_open]

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        for connection in self._connections.pop(asyncio.get_running_loop(), []):
            await connection.close()

    @staticmethod
    def _named(connections: Sequence[McpConnection], names: set[str]) -> Iterator[McpTool]:
        for connection in connections:
            for tool in connection.tools:
                name = _free_name(tool.name, connection.server.name, names)
                names.add(name)
                yield McpTool(name, tool, connection)

    async def _connected(self) -> list[McpConnection]:
        loop = asyncio.get_running_loop()
        if (connections := self._connections.get(loop)) is None:
            self._connections = {known: kept for known, kept in self._connections.items() if not known.is_closed()}
            connections = self._connections[loop] = [McpConnection(server, self._times) for server in self._servers]
            with suppress(TimeoutError):
                async with asyncio.timeout(self._first_seconds):
                    for connection in connections:
                        await connection.tried()
        return connections


def _free_name(tool: str, server: str, names: Collection[str]) -> str:
    prefixed = _valid(f"{server}_{tool}")
    for name in (_valid(tool), prefixed):
        if name not in names:
            return name
    number = 2
    while (name := f"{prefixed[: LONGEST_NAME - 4]}_{number}") in names:
        number += 1
    return name


def _valid(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)[:LONGEST_NAME] or "tool"
