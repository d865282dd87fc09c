"""The provider's side of a relay socket, frame by frame, over a real connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATH = "/twilio/relay"
PATIENCE = 30


class RelaySocket:
    """One session: sends frames, reads frames, and knows what a caller would have heard."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[dict[str, Any]] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.raw(json.dumps({"type": kind, **fields}))

    async def raw(self, frame: str | bytes) -> None:
        await self.connection.send(frame)

    async def setup(self, call_sid: str, session_id: str = "VX1", **fields: Any) -> None:
        await self.send("setup", callSid=call_sid, sessionId=session_id, **{"from": "+1", "to": "+2", **fields})

    async def prompt(self, text: str, **fields: Any) -> None:
        await self.send("prompt", voicePrompt=text, lang="en-US", **fields)

    async def frame(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(timeout):
            frame = json.loads(await self.connection.recv())
        self.frames.append(frame)
        return frame

    async def reply(self, timeout: float = PATIENCE) -> str:
        """The text up to the end of a reply."""
        said = ""
        while True:
            frame = await self.frame(timeout)
            assert frame["type"] == "text", frame
            said += frame["token"]
            if frame["last"]:
                return said

    async def closed(self, timeout: float = PATIENCE) -> int | None:
        """The code with which the server closes; frames before it are kept."""
        async with asyncio.timeout(timeout):
            with suppress(ConnectionClosed):
                while True:
                    self.frames.append(json.loads(await self.connection.recv()))
        return self.connection.close_code


@asynccontextmanager
async def relay_socket(url: str, token: str | None = "12345", **options: Any) -> AsyncIterator[RelaySocket]:
    """A signed socket to the server at this `http` URL."""
    target = url.replace("http", "ws", 1) + PATH
    headers = {"X-Twilio-Signature": RequestValidator(token).compute_signature(target, {})} if token else {}
    async with connect(target, additional_headers=headers, compression=None, proxy=None, **options) as connection:
        yield RelaySocket(connection)
