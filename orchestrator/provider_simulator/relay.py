"""The provider's side of ConversationRelay: speaks what the server sends, at a speed, and sends what the caller does.

Facts of the protocol: the first frame is `setup`; a caller who speaks while something is spoken interrupts it; a lost
socket is reported to the `action` of `<Connect>`, or opened again if the document asks for that.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from orchestrator.provider_simulator import events
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.listener import Answer, AnswerListener
from orchestrator.provider_simulator.playback import PlaybackSpeed
from orchestrator.provider_simulator.relay_events import RelayEvents
from orchestrator.provider_simulator.relay_frames import setup, taken
from orchestrator.provider_simulator.relay_reconnect import NORMAL_CLOSE, Frame, RelayReconnect
from orchestrator.provider_simulator.relay_speech import RelaySpeech, Tell
from orchestrator.provider_simulator.speakers import AGENT
from orchestrator.provider_simulator.verbs import Connect
from orchestrator.provider_simulator.webhooks import Webhooks
from orchestrator.tasks import cancel_and_wait

OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SOCKET_LOST = "39001"
OUR_FAULT = (1007, 1008, 1009)
"""Close codes of a server that accepts nothing more from us."""

SessionStatus = Literal["ended", "failed"]


class RelaySession:
    """One session: keeps a socket open until the server ends the session or the socket is lost for good.

    `kept` are events of a session before, whose socket was lost.
    """

    def __init__(
        self,
        verb: Connect,
        webhooks: Webhooks,
        identity: CallIdentity,
        listener: AnswerListener,
        speed: PlaybackSpeed,
        tell: Tell,
        reconnect: RelayReconnect | None = None,
        kept: Sequence[Frame] = (),
    ) -> None:
        self.verb = verb
        self.session_id = _new_session_id()
        self.unsent: list[Frame] = []
        """What happened and was not sent, once the socket was lost."""
        self._webhooks = webhooks
        self._identity = identity
        self._listener = listener
        self._tell = tell
        self._reconnect = reconnect or RelayReconnect()
        self._events = RelayEvents()
        self._socket: ClientConnection | None = None
        self._begun = asyncio.get_running_loop().time()
        self._speech = RelaySpeech(speed, self._events.put, tell, verb.voices, verb.parameters.get(AGENT, ""))
        self._events.begin(self._setup(), kept)

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
        socket = await self._open()
        if socket is None:
            return "failed"
        self._listener.direct = self._on_answer
        speaking = asyncio.create_task(self._speech.speak(), name=f"speech of {self.session_id}")
        try:
            while socket is not None:
                await self._use(socket, speaking)
                await socket.close()
                if speaking.done():
                    return "ended"
                lost, socket = socket, await self._open_again(socket)
            await self._speech.finish_utterance()
        finally:
            self._listener.direct = None
            await cancel_and_wait(speaking)
        await self._tell(events.Waiting("The socket was lost.", self._lost(lost)))
        return "failed"

    async def drop(self) -> None:
        """Lose the socket, as networks do: without a close frame."""
        if self._socket is not None:
            self._socket.transport.abort()

    # The socket.

    async def _open(self) -> ClientConnection | None:
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
            return None
        return self._socket

    async def _open_again(self, lost: ClientConnection) -> ClientConnection | None:
        """Return a new socket for the same session, if the document asks for that and the loss was unexpected."""
        policy = self._reconnect
        code = _close_code(lost)
        if not self.verb.reconnects or policy.fires_action or code == NORMAL_CLOSE or code in OUR_FAULT:
            return None
        line = events.LostLine((), _was_closed(code))  # what was not sent will be
        await self._tell(events.Waiting("The socket was lost, and is opened again.", line))
        for _ in range(policy.attempts):
            await policy.wait()
            if (socket := await self._open()) is not None:
                if not policy.keeps_session:
                    self.session_id = _new_session_id()
                self._events.begin(self._setup(), self._events.replayed(self._events.taken_back(), policy))
                return socket
        return None

    async def _use(self, socket: ClientConnection, speaking: "asyncio.Task[None]") -> None:
        """Read and write until the socket is lost, or the server has ended the session."""
        tasks = [asyncio.create_task(step) for step in (self._read(socket), self._events.write(socket))]
        try:
            await asyncio.wait([*tasks, speaking], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await socket.close()
            raise
        finally:
            await cancel_and_wait(*tasks)

    def _setup(self) -> Frame:
        return setup(self.session_id, self._identity, self.verb.parameters)

    def _lost(self, socket: ClientConnection) -> events.LostLine:
        unsent = self._events.taken_back()
        self.unsent = self._events.replayed(unsent, self._reconnect)
        words = tuple(frame["voicePrompt"] for frame in unsent if frame["type"] == "prompt")
        return events.LostLine(words, _was_closed(_close_code(socket)))

    # What the caller does.

    def _on_answer(self, answer: Answer) -> bool:
        if answer.is_silence:
            return True
        self._speech.interrupt()
        keys = [{"type": "dtmf", "digit": key} for key in answer.keys]
        words = [{"type": "prompt", "voicePrompt": answer.speech, "lang": "en-US", "last": True}]
        self._events.put_last(*(words if answer.speech else []), *keys)
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
                self._speech.add(frame, unaware=not self._events.are_received)

    async def _complain(self, message: str | bytes) -> None:
        shown = message[:200] if isinstance(message, str) else "binary"
        self._events.put({"type": "error", "description": f"Invalid message received: {shown}"})
        await self._tell(events.Problem(f"The server sent an invalid frame: {shown}"))


def _new_session_id() -> str:
    return "VX" + uuid4().hex


def _close_code(socket: ClientConnection) -> int | None:
    """Return the code with which the server closed the socket; None if it was lost without one."""
    closed = socket.protocol.close_rcvd
    return None if closed is None else int(closed.code)


def _was_closed(code: int | None) -> bool:
    """True if the server received everything that was sent before it closed the socket with this code."""
    return code is not None and code not in OUR_FAULT
