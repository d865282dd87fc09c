"""The server's side of a relay on loopback, which says what it is told and keeps what it gets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_sockets
from websockets.exceptions import ConnectionClosed


@dataclass
class RelayServer:
    """A relay's server that only listens. `sockets` has the frames of each socket."""

    url: str = ""
    sockets: list[list[dict[str, Any]]] = field(default_factory=list)
    connections: list[ServerConnection] = field(default_factory=list)
    is_refusing: bool = False

    def refuse(self, socket: ServerConnection, _request: Any) -> Any:
        return socket.respond(503, "no") if self.is_refusing else None

    async def talk(self, socket: ServerConnection) -> None:
        frames: list[dict[str, Any]] = []
        self.sockets.append(frames)
        self.connections.append(socket)
        with suppress(ConnectionClosed):
            async for message in socket:
                frames.append(json.loads(message))

    async def say(self, text: str) -> None:
        await self.connections[-1].send(json.dumps({"type": "text", "token": text, "last": True}))

    async def end(self) -> None:
        await self.connections[-1].send(json.dumps({"type": "end"}))

    def words(self, number: int) -> list[str]:
        return [frame["voicePrompt"] for frame in self.sockets[number] if frame["type"] == "prompt"]

    def session(self, number: int) -> str:
        return str(self.sockets[number][0]["sessionId"])


@asynccontextmanager
async def relay_server() -> AsyncIterator[RelayServer]:
    server = RelayServer()
    async with serve_sockets(server.talk, "127.0.0.1", 0, process_request=server.refuse) as listening:
        server.url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/relay"
        yield server
