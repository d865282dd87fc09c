"""A session with one MCP server. All that is imported of the package `mcp` is here."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TextIO, cast

import httpx2
from mcp import MCPError, StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, INVALID_PARAMS, METHOD_NOT_FOUND, Implementation, RequestParamsMeta
from pydantic_core import to_json

from orchestrator.agents.mcp.results import result_of
from orchestrator.errors import McpServerAway
from orchestrator.settings.mcp_servers import McpServer

MOST_TOOLS = 64
"""The most tools of one server; a model gets them all with each request."""
MOST_PAGES = 20
LONGEST_DESCRIPTION = 2000
LONGEST_SCHEMA = 20_000
KEY = "voiceagent/idempotency-key"
"""The field of a call's `_meta` that holds its idempotency key."""
REFUSALS = (INVALID_PARAMS, METHOD_NOT_FOUND)
"""Errors that are about the call, not about the session."""


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool as its server describes it. `schema` is the JSON schema of its arguments."""

    name: str
    description: str
    schema: dict[str, Any]


class Session:
    """An open session."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> list[ServerTool]:
        """Return the server's tools, the first `MOST_TOOLS`, without those whose schema is too long.

        Raise `McpServerAway`.
        """
        found: list[ServerTool] = []
        cursor: str | None = None
        try:
            for _ in range(MOST_PAGES):
                page = await self._client.list_tools(cursor=cursor)
                found += [
                    ServerTool(tool.name, (tool.description or "")[:LONGEST_DESCRIPTION], tool.input_schema)
                    for tool in page.tools
                    if len(to_json(tool.input_schema)) <= LONGEST_SCHEMA
                ]
                cursor = page.next_cursor
                if not cursor or len(found) >= MOST_TOOLS:
                    break
        except MCPError as error:
            raise McpServerAway(trouble_of(error)) from error
        return found[:MOST_TOOLS]

    async def call(self, tool: str, arguments: dict[str, Any], key: str) -> Any:
        """Return what a tool returned. The server gets `key` too. Raise `McpServerAway` if it does not answer."""
        try:
            result = await self._client.call_tool(tool, arguments, meta=cast(RequestParamsMeta, {KEY: key}))
        except MCPError as error:
            if error.code in REFUSALS:
                return {"error": error.message}
            raise McpServerAway(trouble_of(error)) from error
        return result_of(result.content, result.structured_content, is_error=bool(result.is_error))


@asynccontextmanager
async def open_session(server: McpServer, seconds: float) -> AsyncIterator[Session]:
    """Open a session within `seconds`, and close it. Raise `McpServerAway` or TimeoutError.

    Enter and leave it in one task.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(seconds):
                session = Session(await stack.enter_async_context(await _client(server, stack, seconds)))
        except (MCPError, OSError, httpx2.HTTPError, ExceptionGroup) as error:
            raise McpServerAway(trouble_of(error)) from error
        yield session


async def _client(server: McpServer, stack: AsyncExitStack, seconds: float) -> Client:
    transport: Any
    if server.url:
        timeout = httpx2.Timeout(seconds, read=None)  # calls have deadlines of their own
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=dict(server.headers), timeout=timeout))
        transport = streamable_http_client(server.url, http_client=http)
    else:
        transport = stdio_client(
            StdioServerParameters(
                command=server.command,
                args=list(server.arguments),
                env=dict(server.environment),
                cwd=server.directory,
            ),
            errlog=cast(TextIO, subprocess.DEVNULL),  # it is no log of ours
        )
    return Client(transport, cache=None, client_info=Implementation(name="voiceagent", version="1"))


def trouble_of(error: BaseException) -> str:
    """Return why a server cannot be used, without its own words, which may quote a caller or a secret."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, McpServerAway):
        return str(error)
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, FileNotFoundError):
        return "its command is not there"
    if isinstance(error, httpx2.HTTPStatusError):
        return f"it answers with HTTP status {error.response.status_code}"
    if isinstance(error, MCPError):
        return "its connection was closed" if error.code == CONNECTION_CLOSED else f"it answers with error {error.code}"
    return type(error).__name__
