"""`SupervisorLink`: a web process's connection to the supervisor that started it."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from orchestrator.tasks import cancel_and_wait
from web.processes.channel import LONGEST_MESSAGE, Message, packed
from web.processes.samples import Samples

if TYPE_CHECKING:
    from web.connection_limits import ConnectionLimits
    from web.local_access import LocalAccess

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
ANSWER_SECONDS = 3.0
"""For the metrics of the other processes. The supervisor waits a second for them."""
SEND_SECONDS = 1.0


@dataclass(frozen=True)
class Gathered:
    """The counters and histograms of the other processes, how many processes run, and how many of them answered.

    `gauges` are the sums of those that add up over processes, by name; none from a supervisor of an earlier version.
    """

    samples: Samples
    running: int
    answered: int
    gauges: Samples


class SupervisorLink:
    """Sends heartbeats, does what the supervisor says, and leaves when it is gone.

    `sockets` are the listening sockets that all processes share, `count_connections` returns how many connections this
    process has, `read_samples` its counters and histograms, `read_gauges` those of its gauges that add up over
    processes, and `leave` begins to drain without a delay.
    """

    def __init__(self, channel: socket.socket, sockets: list[socket.socket]) -> None:
        self.sockets = sockets
        self.count_connections: Callable[[], int] = lambda: 0
        self.read_samples: Callable[[], Samples] = dict
        self.read_gauges: Callable[[], Samples] = dict
        self.leave: Callable[[], None] = lambda: None
        self._channel = channel
        self._writer: asyncio.StreamWriter | None = None
        self._questions: dict[int, asyncio.Future[Gathered]] = {}
        self._numbers = count(1)

    @contextlib.asynccontextmanager
    async def connected(self, limits: "ConnectionLimits", access: "LocalAccess") -> AsyncIterator[None]:
        """Stay connected while the block runs; `limits` and `access` learn what the other processes see."""
        reader, self._writer = await asyncio.open_connection(sock=self._channel, limit=LONGEST_MESSAGE)
        access.on_forwarded = lambda: self._send({"type": "forwarded"})
        reading = asyncio.create_task(self._read(reader, limits, access), name="messages of the supervisor")
        beating = asyncio.create_task(self._send_heartbeats(), name="heartbeats to the supervisor")
        try:
            yield
        finally:
            self._send({"type": "samples", "samples": self.read_samples()})
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(SEND_SECONDS):
                    await self._writer.drain()
            await cancel_and_wait(reading, beating)

    def ready(self) -> None:
        """Say that this process serves."""
        self._send({"type": "ready"})

    async def gather(self, own: Samples, gauges: Samples) -> Gathered:
        """Return what the other processes have counted, and their gauges.

        Raise `TimeoutError` if the supervisor does not answer.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Gathered] = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        self._send({"type": "gather", "question": number, "samples": own, "gauges": gauges})
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        finally:
            del self._questions[number]

    def _send(self, message: Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(packed(message))

    async def _send_heartbeats(self) -> None:
        while True:
            self._send({"type": "heartbeat", "connections": self.count_connections()})
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _read(self, reader: asyncio.StreamReader, limits: "ConnectionLimits", access: "LocalAccess") -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                message: dict[str, Any] = json.loads(line)
                match message["type"]:
                    case "others":
                        limits.held_elsewhere = message["connections"]
                    case "gather":
                        found = {"samples": self.read_samples(), "gauges": self.read_gauges()}
                        self._send({"type": "samples", **found, "gathering": message["gathering"]})
                    case "gathered":
                        self._answer(message)
                    case "forwarded":
                        access.close()
                    case "leave":
                        self.leave()
        logger.warning("The supervisor is gone: leaving", extra={"action": "web.supervisor_lost"})
        self.leave()
        signal.raise_signal(signal.SIGTERM)  # so that balancers hear of it, and a start ends

    def _answer(self, message: Message) -> None:
        answer = self._questions.get(message["question"])
        if answer is not None and not answer.done():
            answer.set_result(self._gathered(message))

    @staticmethod
    def _gathered(message: Message) -> Gathered:
        return Gathered(message["samples"], message["running"], message["answered"], message.get("gauges", {}))
