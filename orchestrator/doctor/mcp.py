"""The MCP servers of `LLM_MCP_SERVERS`: whether each answers, and with which tools."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.doctor.finding import Finding
from orchestrator.settings import Settings, given_variables
from orchestrator.settings.mcp_servers import McpServer, mcp_servers

CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class McpFacts:
    """One server. `trouble` says why it cannot be used, or ""."""

    name: str
    place: str
    tools: tuple[str, ...] = ()
    trouble: str = ""


async def inspect_mcp_servers(settings: Settings, connect_seconds: float = CONNECT_SECONDS) -> tuple[McpFacts, ...]:
    """Return what is known of each server. Each is connected to, and has `connect_seconds` to answer."""
    if settings.llm_mcp_servers is None:
        return ()
    servers = mcp_servers(settings.llm_mcp_servers, given_variables())
    return tuple(await asyncio.gather(*(_inspected(server, connect_seconds) for server in servers)))


async def _inspected(server: McpServer, seconds: float) -> McpFacts:
    try:
        from orchestrator.agents.mcp.session import open_session, trouble_of
    except ModuleNotFoundError:
        return McpFacts(server.name, server.place, trouble="the package mcp is not installed")
    try:
        async with asyncio.timeout(2 * seconds), open_session(server, seconds) as session:
            return McpFacts(server.name, server.place, tuple(tool.name for tool in await session.tools()))
    except Exception as error:  # whatever a transport comes up with
        return McpFacts(server.name, server.place, trouble=trouble_of(error))


def judge_mcp_servers(settings: Settings, servers: Sequence[McpFacts]) -> Iterator[Finding]:
    """Yield the findings about the servers."""
    if servers and settings.agent != "llm":
        yield Finding(
            "mcp", "note", f"LLM_MCP_SERVERS is set, and AGENT is {settings.agent}: only the agent llm uses it.",
            "A route may name llm too; else unset it.",
        )  # fmt: skip
    for server in servers:
        if server.trouble:
            yield Finding(
                "mcp", "warning", f"The MCP server {server.name} ({server.place}) cannot be used: {server.trouble}.",
                "Start or correct it, or install the extra `mcp`. Meanwhile the model has none of its tools.",
            )  # fmt: skip
        elif not server.tools:
            yield Finding("mcp", "warning", f"The MCP server {server.name} has no tools.", "Is it the right one?")
        else:
            yield Finding("mcp", "ok", f"The MCP server {server.name} answers; it has {_counted(server.tools)}.")


def _counted(tools: Sequence[str]) -> str:
    return "1 tool" if len(tools) == 1 else f"{len(tools)} tools"
