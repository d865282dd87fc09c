"""Turns over HTTP: the API, the provider's webhooks, and a bare Starlette route next to them.

Wants `WEB_URL` (a server of the product with `API_KEY` and `TWILIO_AUTH_TOKEN` as in the environment) and
`BARE_URL` (`benchmarks.contenders.bare_post`).
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from twilio.request_validator import RequestValidator

from benchmarks.contenders.turns import SAID, TURNS_A_CALL
from benchmarks.driver import Line
from orchestrator.provider_simulator import CallIdentity


class Connections:
    """Kept-alive connections to one server, and just enough HTTP/1.1: the client's own cost must not count."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._host = parts.netloc
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: bytes, content_type: str, **headers: str) -> bytes:
        """The body of the answer. Raises RuntimeError on any status but 200."""
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(*self._address)
        named = {"Host": self._host, "Content-Type": content_type, "Content-Length": str(len(body))}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in (named | headers).items())
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        top = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(top.partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        self._idle.append((reader, writer))
        if not top.startswith(b"http/1.1 200"):
            raise RuntimeError(top.split(b"\r\n")[0].decode() + " " + answer.decode())
        return answer

    def close(self) -> None:
        """Drop the idle connections."""
        for _, writer in self._idle:
            writer.close()


class Turns:
    """One kind of turn over HTTP. Each slot has a call of its own, and takes a new one after `TURNS_A_CALL` turns."""

    def __init__(self, server: Connections, url: str) -> None:
        self._server = server
        self._url = url
        self._key = os.environ["API_KEY"]
        self._signer = RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])
        self._at: dict[int, tuple[CallIdentity, int]] = {}

    async def text(self, slot: int) -> None:
        """`POST /calls/{call_sid}/turns`."""
        identity, number = await self._next(slot, begin=False)
        body = json.dumps({"turn_id": f"t{number}", "text": SAID}).encode()
        path = f"/calls/{identity.call_sid}/turns"
        await self._server.post(path, body, "application/json", Authorization=f"Bearer {self._key}")

    async def gather(self, slot: int) -> None:
        """`POST /twilio/turn/{n}`, signed."""
        identity, number = await self._next(slot, begin=True)
        form = identity.fields("in-progress", {"SpeechResult": SAID, "Confidence": "0.91234565"})
        await self._webhook(f"/twilio/turn/{number + 1}", form)

    async def _next(self, slot: int, *, begin: bool) -> tuple[CallIdentity, int]:
        identity, number = self._at.get(slot, (None, TURNS_A_CALL))
        if identity is None or number >= TURNS_A_CALL:
            identity, number = CallIdentity(call_sid=f"CA{uuid4().hex}"), 0
            if begin:
                await self._webhook("/twilio/voice", identity.fields("ringing"))
        self._at[slot] = (identity, number + 1)
        return identity, number

    async def _webhook(self, path: str, form: dict[str, str]) -> None:
        signature = self._signer.compute_signature(self._url + path, form)
        body = urlencode(form).encode()
        await self._server.post(path, body, "application/x-www-form-urlencoded", X_Twilio_Signature=signature)


async def _bare(server: Connections, slot: int) -> None:
    await server.post("/", json.dumps({"turn_id": "t1", "text": SAID}).encode(), "application/json")


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`api`, `gather`, `bare`."""
    url = os.environ["WEB_URL"]
    web, bare = Connections(url), Connections(os.environ["BARE_URL"])
    try:
        yield {"api": Turns(web, url).text, "gather": Turns(web, url).gather, "bare": partial(_bare, bare)}
    finally:
        web.close()
        bare.close()
