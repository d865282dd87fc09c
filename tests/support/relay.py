"""The provider's side of a relay socket, frame by frame, over a real connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from xml.etree import ElementTree

import httpx
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATH = "/twilio/relay"
ENDED = PATH + "/ended"
PATIENCE = 60


class RelaySocket:
    """One session: sends frames, reads frames, and knows what a caller would have heard."""

    def __init__(self, connection: ClientConnection, url: str, token: str | None) -> None:
        self.connection = connection
        self.frames: list[dict[str, Any]] = []
        self._url = url
        self._token = token

    async def send(self, kind: str, **fields: Any) -> None:
        await self.raw(json.dumps({"type": kind, **fields}))

    async def raw(self, frame: str | bytes) -> None:
        await self.connection.send(frame)

    async def setup(self, call_sid: str, session_id: str = "VX1", *, ticket: str | None = None, **fields: Any) -> None:
        """The first frame, with the ticket of a new document unless one is given ("": none at all)."""
        shown = await new_ticket(self._url, call_sid, self._token) if ticket is None else ticket
        parameters = fields.pop("customParameters", {}) | ({"ticket": shown} if shown else {})
        numbers = {"from": "+1", "to": "+2"}
        await self.send(
            "setup", callSid=call_sid, sessionId=session_id, customParameters=parameters, **{**numbers, **fields}
        )

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


async def new_ticket(url: str, call_sid: str, token: str | None = "12345", path: str = ENDED) -> str:
    """The ticket in the document that connects the call (anew, unless `path` is that of its first webhook)."""
    form = {"CallSid": call_sid, "CallStatus": "in-progress", "SessionStatus": "failed", "SessionDuration": "0"}
    headers = {"X-Twilio-Signature": RequestValidator(token).compute_signature(url + path, form)} if token else {}
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        answer = await client.post(path, data=form, headers=headers)
    assert answer.status_code == 200, answer.text
    return ticket_in(ElementTree.fromstring(answer.text))


def ticket_in(document: ElementTree.Element) -> str:
    """The ticket that a document carries."""
    (ticket,) = (p.attrib["value"] for p in document.iter("Parameter") if p.get("name") == "ticket")
    return ticket


@asynccontextmanager
async def relay_socket(url: str, token: str | None = "12345", **options: Any) -> AsyncIterator[RelaySocket]:
    """A signed socket to the server at this `http` URL."""
    target = url.replace("http", "ws", 1) + PATH
    headers = {"X-Twilio-Signature": RequestValidator(token).compute_signature(target, {})} if token else {}
    async with connect(target, additional_headers=headers, compression=None, proxy=None, **options) as connection:
        yield RelaySocket(connection, url, token)
