"""An MCP server of the package `mcp`: a small shop, over HTTP on loopback or, run as a program, over stdio."""

import asyncio
import sys
from types import TracebackType
from typing import Any, Self

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from support.waiting import wait_until


def shop(log: list[tuple[str, Any]], *, words: str = "shop") -> MCPServer:
    """The server. `log` gets its calls: the tool's name, and what it was called with."""
    server = MCPServer(words)

    @server.tool()
    def stock(item: str) -> str:
        """How many of an item there are."""
        log.append(("stock", item))
        return f"{words}: 3 {item}"

    @server.tool()
    async def reserve(item: str, ctx: Context) -> dict[str, Any]:  # type: ignore[type-arg]
        """Put an item aside."""
        meta = ctx.request_context.meta or {}
        log.append(("reserve", dict(meta).get("voiceagent/idempotency-key")))
        return {"reserved": item}

    @server.tool()
    async def hang() -> str:
        """Never returns."""
        log.append(("hang", None))
        await asyncio.Event().wait()
        return ""

    @server.tool()
    def fail() -> str:
        """Always fails."""
        raise RuntimeError("the till is locked")

    @server.tool(name="hang_up")
    def same_name() -> str:
        """Has the name of a tool that the agent has."""
        return "not the telephone"

    @server.tool()
    def long() -> str:
        """Returns very much."""
        return "x" * 100_000

    return server


class McpShop:
    """The server on a free port of loopback, while a block runs."""

    def __init__(self, *, words: str = "shop", port: int = 0) -> None:
        self.log: list[tuple[str, Any]] = []
        app = shop(self.log, words=words).streamable_http_app()
        self._server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="on"))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve())
        await wait_until(lambda: self._server.started, "the MCP server listens")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = self._server.force_exit = True
        await asyncio.wait_for(self._task, 20)

    @property
    def port(self) -> int:
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


if __name__ == "__main__":
    shop([], words=sys.argv[1] if len(sys.argv) > 1 else "shop").run("stdio")
