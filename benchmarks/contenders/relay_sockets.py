"""A provider's side of relay sockets: many that are idle, and one that times words on their way to the caller.

Wants `WEB_URL`, `TWILIO_AUTH_TOKEN` as in the environment, and one worker with `AGENT=benchmarks.agents:empty`.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import httpx
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.agents import HOLD_ON, TELL_STOP, TELL_TIME
from benchmarks.driver import Line
from orchestrator.provider_simulator import CallIdentity
from orchestrator.provider_simulator.identity import new_number
from orchestrator.provider_simulator.relay_frames import setup

CONVERSATIONS_A_CALL = 10


class Sockets:
    """Sessions that were greeted; all stay open until the end."""

    def __init__(self, url: str, token: str, stack: AsyncExitStack) -> None:
        self._url = "ws" + url.removeprefix("http") + "/twilio/relay"
        self._validator = RequestValidator(token)
        self._headers = {"X-Twilio-Signature": self._validator.compute_signature(self._url, {})}
        self._document_url = url + "/twilio/relay/ended"
        self._client = httpx.AsyncClient(trust_env=False, timeout=30)
        self._stack = stack
        stack.push_async_callback(self._client.aclose)
        self._talking: ClientConnection | None = None
        self._conversations = 0

    async def idle(self, slot: int) -> None:
        """One more socket."""
        await self._open()

    async def first_token(self, slot: int) -> float:
        """From the moment the agent said it until it comes out of the socket: both read the machine's clock."""
        socket = await self._talking_socket()
        await _say(socket, TELL_TIME)
        said = int((await _frame(socket))["token"])
        took = time.monotonic_ns() - said
        await _end_of_reply(socket)
        return took / 1e9

    async def interrupt(self, slot: int) -> float:
        """From the provider's interrupt frame until the agent, in its worker, is cancelled."""
        socket = await self._talking_socket()
        await _say(socket, HOLD_ON)
        heard = (await _frame(socket))["token"]
        began = time.monotonic_ns()
        await _send(socket, type="interrupt", utteranceUntilInterrupt=heard, durationUntilInterruptMs=100)
        await _say(socket, TELL_STOP)
        stopped = int((await _frame(socket))["token"])
        await _end_of_reply(socket)
        if stopped < began:
            raise RuntimeError("the agent was not cancelled")
        return (stopped - began) / 1e9

    async def _talking_socket(self) -> ClientConnection:
        """The socket of a young call: what a turn takes grows with the call, and a call holds only so many turns."""
        if self._talking is None or self._conversations >= CONVERSATIONS_A_CALL:
            if self._talking is not None:
                await self._talking.close()
            self._talking, self._conversations = await self._open(), 0
        self._conversations += 1
        return self._talking

    async def _open(self) -> ClientConnection:
        connecting = connect(
            self._url, additional_headers=self._headers, compression=None, proxy=None, ping_interval=None
        )
        socket = await self._stack.enter_async_context(connecting)
        identity = CallIdentity(from_number=new_number())
        await socket.send(json.dumps(setup("VX" + uuid4().hex, identity, await self._parameters(identity))))
        await _end_of_reply(socket)
        return socket

    async def _parameters(self, identity: CallIdentity) -> dict[str, str]:
        """What the document that connects the call gives its session along: the ticket."""
        form = identity.fields("in-progress", {"SessionStatus": "failed", "SessionDuration": "0"})
        headers = {"X-Twilio-Signature": self._validator.compute_signature(self._document_url, form)}
        answer = (await self._client.post(self._document_url, data=form, headers=headers)).raise_for_status()
        given = {p.attrib["name"]: p.attrib["value"] for p in ElementTree.fromstring(answer.text).iter("Parameter")}
        return {"ticket": given["ticket"]}


async def _send(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


async def _say(socket: ClientConnection, words: str) -> None:
    await _send(socket, type="prompt", voicePrompt=words, lang="en-US", last=True)


async def _frame(socket: ClientConnection) -> dict[str, Any]:
    """The next frame with words in it."""
    while True:
        frame: dict[str, Any] = json.loads(await socket.recv())
        if frame["token"]:
            return frame


async def _end_of_reply(socket: ClientConnection) -> None:
    while not json.loads(await socket.recv())["last"]:
        pass


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`idle`, `first-token`, `interrupt`."""
    async with AsyncExitStack() as stack:
        sockets = Sockets(os.environ["WEB_URL"], os.environ["TWILIO_AUTH_TOKEN"], stack)
        yield {"idle": sockets.idle, "first-token": sockets.first_token, "interrupt": sockets.interrupt}
