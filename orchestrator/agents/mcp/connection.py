"""`McpConnection`: the session with one server, kept open in one event loop by a task of its own."""

import asyncio
import logging
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from orchestrator.agents.mcp.session import Session, open_session, trouble_of
from orchestrator.errors import McpServerAway
from orchestrator.settings.mcp_servers import McpServer
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 5.0


@dataclass(frozen=True)
class ConnectionTimes:
    """In seconds: the longest that a tool may take (the turn's deadline may be sooner); how often the server is asked
    for its tools, which also shows that it is there; how long to wait after the first failure, the second, …"""

    call: float = 10.0
    refresh: float = 30.0
    retry: tuple[float, ...] = (1.0, 2.0, 5.0, 15.0, 30.0)


class McpConnection:
    """Connects when it is made, and again after each failure. A server that is away is told of once in the log.

    `tools` are those that the server had last, also while it is away.
    """

    def __init__(self, server: McpServer, times: ConnectionTimes) -> None:
        self.server = server
        self.failures = 0
        """How often in a row it could not be reached."""
        self._times = times
        self.tools: list[Any] = []
        self._session: Session | None = None
        self._tried = asyncio.Event()
        self._lost = asyncio.Event()
        # In a context of its own: the task outlives the turn that made it.
        self._task = Context().run(asyncio.create_task, self._keep_open(), name=f"MCP server {server.name}")

    @property
    def is_open(self) -> bool:
        """True while the server can be asked."""
        return self._session is not None

    async def tried(self) -> None:
        """Wait until the first attempt to connect has ended."""
        await self._tried.wait()

    async def call(self, tool: str, arguments: dict[str, Any], key: str) -> Any:
        """Return what the tool returned. The server gets `key`, which is the same in every attempt.

        Raise `McpServerAway`, or TimeoutError.
        """
        session = self._session
        if session is None:
            raise McpServerAway(f"The MCP server {self.server.name} is away.")
        try:
            async with asyncio.timeout(self._times.call):
                return await session.call(tool, arguments, key)
        except McpServerAway:
            self._lost.set()
            raise

    async def close(self) -> None:
        """Close the session."""
        await cancel_and_wait(self._task, seconds=CLOSE_SECONDS)

    async def _keep_open(self) -> None:
        while True:
            try:
                await self._hold()
            except Exception as error:  # whatever a transport comes up with, in groups too
                self._note_failure(error)
            finally:
                self._session = None
                self._tried.set()
            await asyncio.sleep(self._times.retry[min(self.failures, len(self._times.retry)) - 1])

    async def _hold(self) -> None:
        """Connect, and return or raise once the session is lost."""
        self._lost.clear()
        async with open_session(self.server, CONNECT_SECONDS) as session:
            async with asyncio.timeout(CONNECT_SECONDS):
                self.tools = await session.tools()
            self._session = session
            self._tried.set()
            self._note_success()
            while not await self._is_lost_within(self._times.refresh):
                async with asyncio.timeout(CONNECT_SECONDS):
                    self.tools = await session.tools()
        raise McpServerAway("its session was lost")

    async def _is_lost_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._lost.wait()
        except TimeoutError:
            return False

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        if self.failures == 1:
            logger.warning(
                "The MCP server %s is away (%s); the model goes on without its tools", self.server.name,
                trouble_of(error), extra={"action": "llm.mcp_away", "server": self.server.name},
            )  # fmt: skip

    def _note_success(self) -> None:
        was_away, self.failures = self.failures > 0, 0
        if was_away:
            logger.info("The MCP server %s is back", self.server.name, extra={"action": "llm.mcp_back"})
