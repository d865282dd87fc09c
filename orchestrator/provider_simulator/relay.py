"""The provider's side of ConversationRelay: speaks what the server sends, at a speed, and sends what the caller does.

Facts of the protocol: the first frame is `setup`; a caller who speaks while something is spoken interrupts it; a lost
socket is not opened again, but reported to the `action` of `<Connect>`.
"""

import asyncio
import json
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from orchestrator.provider_simulator import events
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.listener import Answer, AnswerListener
from orchestrator.provider_simulator.playback import PlaybackSpeed
from orchestrator.provider_simulator.relay_frames import setup, taken
from orchestrator.provider_simulator.relay_speech import RelaySpeech, Tell
from orchestrator.provider_simulator.speakers import AGENT
from orchestrator.provider_simulator.twiml import Connect
from orchestrator.provider_simulator.webhooks import Webhooks

OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
PINGS_FOR_RECEIPT = 2
"""A pong follows everything that the server sent before it received the ping, and so before it received what the caller
said before the ping (RFC 6455, 5.5.3: frames keep their order). The server's socket answers the first ping possibly
before the server has read the words; by the second, it has read them."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SOCKET_LOST = "39001"
OUR_FAULT = (1007, 1008, 1009)
"""Close codes of a server that accepts nothing more from us."""

SessionStatus = Literal["ended", "failed"]


class RelaySession:
    """One session: opens the socket and keeps it open until the server ends the session or the socket is lost."""

    def __init__(
        self,
        verb: Connect,
        webhooks: Webhooks,
        identity: CallIdentity,
        listener: AnswerListener,
        speed: PlaybackSpeed,
        tell: Tell,
    ) -> None:
        self.verb = verb
        self.session_id = "VX" + uuid4().hex
        self._webhooks = webhooks
        self._identity = identity
        self._listener = listener
        self._tell = tell
        self._socket: ClientConnection | None = None
        self._begun = asyncio.get_running_loop().time()
        self._unreceived = 0
        self._unsent: deque[str] = deque()
        self._outgoing: asyncio.Queue[dict[str, Any] | int] = asyncio.Queue()
        self._speech = RelaySpeech(speed, self._outgoing.put_nowait, tell, verb.voices, verb.parameters.get(AGENT, ""))

    @property
    def was_heard(self) -> bool:
        """True if the agent has said anything in this session."""
        return self._speech.has_spoken

    def fields(self, status: str) -> dict[str, str]:
        """Return the form of the callback after this session."""
        form = {
            "SessionId": self.session_id,
            "SessionStatus": status,
            "SessionDuration": str(int(asyncio.get_running_loop().time() - self._begun)),
        }
        if status == "failed":
            form |= {"ErrorCode": SOCKET_LOST, "ErrorMessage": "WebSocket connection lost"}
        elif self._speech.handoff is not None:
            form["HandoffData"] = self._speech.handoff
        return form

    async def hold(self) -> SessionStatus:
        """Run the session to its end. Return how it ended."""
        url, headers = self._webhooks.upgrade(self.verb.url)
        try:
            self._socket = await connect(
                url,
                additional_headers=headers,
                compression=None,
                proxy=None if urlsplit(url).hostname in LOOPBACK else True,
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
            )
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
            await self._tell(events.Waiting(f"{self.verb.url} was not opened: {error or type(error).__name__}"))
            return "failed"
        try:
            status = await self._talk(self._socket)
        finally:
            await self._socket.close()
        if status == "failed":
            await self._tell(events.Waiting("The socket was lost.", self._lost(self._socket)))
        return status

    def _lost(self, socket: ClientConnection) -> events.LostLine:
        closed = socket.protocol.close_rcvd
        return events.LostLine(tuple(self._unsent), closed is not None and closed.code not in OUR_FAULT)

    async def drop(self) -> None:
        """Lose the socket, as networks do: without a close frame."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _talk(self, socket: ClientConnection) -> SessionStatus:
        self._listener.direct = self._on_answer
        self._outgoing.put_nowait(setup(self.session_id, self._identity, self.verb.parameters))
        tasks = [asyncio.create_task(step) for step in (self._read(socket), self._speech.speak(), self._write(socket))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._speech.finish_utterance()
            return "failed" if self._speech.handoff is None else "ended"
        finally:
            self._listener.direct = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # What the caller does.

    def _on_answer(self, answer: Answer) -> bool:
        if answer.is_silence:
            return True
        self._speech.interrupt()
        if answer.speech:
            self._unsent.append(answer.speech)
            self._outgoing.put_nowait({"type": "prompt", "voicePrompt": answer.speech, "lang": "en-US", "last": True})
        for key in answer.keys:
            self._outgoing.put_nowait({"type": "dtmf", "digit": key})
        self._unreceived += 1
        self._outgoing.put_nowait(PINGS_FOR_RECEIPT)
        return True

    # What the server sends.

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                message = await socket.recv()
                frame = taken(message)
                if frame is None:
                    await self._complain(message)
                    continue
                self._speech.add(frame, unaware=self._unreceived > 0)

    async def _complain(self, message: str | bytes) -> None:
        shown = message[:200] if isinstance(message, str) else "binary"
        self._outgoing.put_nowait({"type": "error", "description": f"Invalid message received: {shown}"})
        await self._tell(events.Problem(f"The server sent an invalid frame: {shown}"))

    async def _write(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                match await self._outgoing.get():
                    case int(pings):
                        pong = asyncio.ensure_future(await socket.ping())
                        pong.add_done_callback(partial(self._ponged, pings - 1))
                    case frame:
                        await socket.send(json.dumps(frame))
                        if frame["type"] == "prompt":
                            self._unsent.popleft()

    def _ponged(self, pings_left: int, pong: "asyncio.Future[float]") -> None:
        if pong.cancelled() or pong.exception() is not None:  # the socket is closed
            return
        if pings_left:
            self._outgoing.put_nowait(pings_left)
        else:
            self._unreceived -= 1
