"""The provider's side of ConversationRelay: speaks what the server sends, at a pace, and sends what the caller does.

Facts of the wire as the provider keeps them: one setup frame first; text is spoken in the order it came, and a reply
ends with `last`; whoever speaks while something is being spoken interrupts it, and all that waited behind it is
forgotten; a lost socket is not opened again, but told to the `action` of `<Connect>`.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from orchestrator.provider_simulator import events
from orchestrator.provider_simulator.ear import Answer, Ear
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.pace import Pace
from orchestrator.provider_simulator.relay_frames import setup, taken
from orchestrator.provider_simulator.twiml import Connect, Gather
from orchestrator.provider_simulator.webhooks import Webhooks

OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
PINGS_FOR_RECEIPT = 2
"""A pong follows on whatever the server had sent before it received the ping, and so before it received what the caller
said before the ping (RFC 6455, 5.5.3: frames keep their order). The server's socket answers the first ping and may not
have handed on the words yet; by the second, it has."""
AFTER_WORDS_SECONDS = 0.05
"""How long a caller waits after the last word before they take it that they are asked."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SOCKET_LOST = "39001"
OUR_FAULT = (1007, 1008, 1009)
"""Close codes of a server that takes nothing more from us."""
LISTENING = Gather(inputs=frozenset({"dtmf", "speech"}), action_on_empty_result=True)
"""How a relay listens: always, to words and keys."""

UNAWARE = " unaware"
"""What our own note in a frame is called; no server's field is."""

SessionStatus = Literal["ended", "failed"]
Tell = Callable[[events.Event], Awaitable[None]]


class RelaySession:
    """One session: opens the socket and holds it until the server ends it or it is lost."""

    def __init__(
        self, verb: Connect, webhooks: Webhooks, identity: CallIdentity, ear: Ear, pace: Pace, tell: Tell
    ) -> None:
        self.verb = verb
        self.session_id = "VX" + uuid4().hex
        self._webhooks = webhooks
        self._identity = identity
        self._ear = ear
        self._pace = pace
        self._tell = tell
        self._socket: ClientConnection | None = None
        self._begun = self._now()
        self._frames: deque[dict[str, Any]] = deque()
        self._unreceived = 0
        self._unsent: deque[str] = deque()
        self._come = asyncio.Event()
        self._spoken = ""
        self._spoken_since = 0.0
        self._is_speaking = False
        self._has_spoken = False
        self._asks_later = False
        self._was_cut = False
        self._may_interrupt = True
        self._cut = asyncio.Event()
        self._outgoing: asyncio.Queue[dict[str, Any] | int] = asyncio.Queue()
        self._handoff: str | None = None

    @property
    def was_heard(self) -> bool:
        """Whether the agent has said anything in this session."""
        return self._has_spoken

    def fields(self, status: str) -> dict[str, str]:
        """The form of the callback after this session."""
        form = {
            "SessionId": self.session_id,
            "SessionStatus": status,
            "SessionDuration": str(int(self._now() - self._begun)),
        }
        if status == "failed":
            form |= {"ErrorCode": SOCKET_LOST, "ErrorMessage": "WebSocket connection lost"}
        elif self._handoff is not None:
            form["HandoffData"] = self._handoff
        return form

    async def hold(self) -> SessionStatus:
        """Talk until the session is over, and how it went."""
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
        """Lose the socket, as networks do: without a word."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _talk(self, socket: ClientConnection) -> SessionStatus:
        self._ear.direct = self._hear
        self._outgoing.put_nowait(setup(self.session_id, self._identity, self.verb.parameters))
        tasks = [asyncio.create_task(step) for step in (self._read(socket), self._speak(), self._write(socket))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._finish_utterance()
            return "failed" if self._handoff is None else "ended"
        finally:
            self._ear.direct = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # What the caller does.

    def _hear(self, answer: Answer) -> bool:
        if answer.is_silence:
            return True
        if (self._is_speaking or self._waits_to_be_spoken) and self._may_interrupt:
            self._interrupt()
        if answer.speech:
            self._unsent.append(answer.speech)
            self._outgoing.put_nowait({"type": "prompt", "voicePrompt": answer.speech, "lang": "en-US", "last": True})
        for key in answer.keys:
            self._outgoing.put_nowait({"type": "dtmf", "digit": key})
        self._unreceived += 1
        self._outgoing.put_nowait(PINGS_FOR_RECEIPT)
        return True

    @property
    def _waits_to_be_spoken(self) -> bool:
        return any(frame.get("type") == "text" and frame.get("token") for frame in self._frames)

    def _interrupt(self) -> None:
        self._frames = deque(frame for frame in self._frames if frame.get("type") == "end")
        self._cut.set()
        self._come.set()
        lasted = int((self._now() - self._spoken_since) * 1000) if self._spoken else 0
        self._outgoing.put_nowait(
            {"type": "interrupt", "utteranceUntilInterrupt": self._spoken, "durationUntilInterruptMs": lasted}
        )

    # What the server sends.

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                message = await socket.recv()
                frame = taken(message)
                if frame is None:
                    await self._complain(message)
                    continue
                self._frames.append({**frame, UNAWARE: self._unreceived > 0})
                self._come.set()

    async def _complain(self, message: str | bytes) -> None:
        shown = message[:200] if isinstance(message, str) else "binary"
        self._outgoing.put_nowait({"type": "error", "description": f"Invalid message received: {shown}"})
        await self._tell(events.Problem(f"The server sent a frame that is none: {shown}"))

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

    async def _speak(self) -> None:
        """Carry out frames in order until the one that ends the session."""
        while True:
            frame = await self._next_frame()
            match frame["type"]:
                case "text":
                    self._asks_later = False
                    self._may_interrupt = frame.get("interruptible", True) is not False
                    await self._utter(str(frame.get("token", "")), unaware=frame[UNAWARE])
                    if frame.get("last", True) and not self._cut.is_set():
                        await self._finish_reply()
                case "play":
                    await self._tell(events.Played(url=str(frame.get("source", ""))))
                case "sendDigits":
                    await self._tell(events.Played(digits=str(frame.get("digits", ""))))
                case "end":
                    await self._finish_utterance()
                    self._handoff = str(frame.get("handoffData", ""))
                    return

    async def _next_frame(self) -> dict[str, Any]:
        while True:
            if self._cut.is_set():
                await self._cut_short()
            if self._frames:
                return self._frames.popleft()
            if self._asks_later:
                self._asks_later = False
                await self._tell(events.Asked(LISTENING))
                continue
            self._come.clear()
            await self._come.wait()

    async def _utter(self, text: str, *, unaware: bool) -> None:
        """Speak `text` piece by piece, as long as nobody interrupts."""
        for piece in self._pace.pieces(text):
            if self._cut.is_set():
                return
            self._begin_speaking()
            self._is_speaking = self._has_spoken = True
            self._spoken += piece
            self._was_cut = False
            await self._tell(events.Speaking(piece, unaware))
            # Not wait_for, here and below: before Python 3.12 it may swallow the end of the session.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.uttering_seconds(piece)):
                    await self._cut.wait()
            self._is_speaking = bool(self._pace.characters_per_second) and not self._cut.is_set()
        self._is_speaking = False

    def _begin_speaking(self) -> None:
        if not self._spoken:
            self._spoken_since = self._now()
            self._outgoing.put_nowait({"type": "info", "name": "agentSpeaking", "value": "on"})

    async def _finish_reply(self) -> None:
        await self._finish_utterance()
        if self._was_cut:  # this is the end of the reply that the caller cut off
            return
        if not self._frames:  # a reply may end with more than words
            with suppress(TimeoutError):
                async with asyncio.timeout(AFTER_WORDS_SECONDS):
                    await self._more()
        if not self._frames:
            await self._tell(events.Asked(LISTENING))
        else:
            self._asks_later = True

    async def _more(self) -> None:
        self._come.clear()
        await self._come.wait()

    async def _cut_short(self) -> None:
        self._cut.clear()
        self._was_cut = True
        heard, self._spoken = self._spoken, ""
        if heard:
            await self._tell(events.Said(heard, interruptible=True, spoken=True))
        await self._tell(events.Interrupted(heard))

    async def _finish_utterance(self) -> None:
        said, self._spoken = self._spoken, ""
        if said:
            self._outgoing.put_nowait({"type": "info", "name": "agentSpeaking", "value": "off"})
            await self._tell(events.Said(said, interruptible=True, spoken=True))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
