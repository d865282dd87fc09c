"""TLS for servers that have none: a front that speaks it on a port of its own, and plain to the server behind.

Where it is `also_plain`, it takes both on the one port, told apart by the first byte: so nodes and Sentinels, which
speak plain among each other, know a server under the address that clients are to reach by TLS.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.certificates import Identity

HANDSHAKE = b"\x16"
"""The first byte of a TLS connection (RFC 8446, 5.1); no command of Redis begins so."""


@dataclass(frozen=True)
class TLS:
    """How it is spoken. With `asks_clients`, who shows no certificate of this `authority` is turned away."""

    identity: Identity
    authority: Path
    asks_clients: bool = False
    also_plain: bool = True

    def context(self) -> ssl.SSLContext:
        """For the server's side."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.identity.certificate, self.identity.key)
        if self.asks_clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority)
        return context


class TLSFront:
    """Listens from the start, in a thread with an event loop of its own. `target` gives the port behind it."""

    def __init__(self, tls: TLS, target: Callable[[], int]) -> None:
        self._tls = tls
        self._context = tls.context()
        self._target = target
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self._links: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._accepting = self._loop.create_task(self._accept())
        self._thread = threading.Thread(target=self._run, name=f"TLS front {self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Drop all connections. Twice is fine."""
        with contextlib.suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self._accepting.cancel)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._accepting)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _accept(self) -> None:
        try:
            while True:
                accepted, _ = await self._loop.sock_accept(self._socket)
                link = self._loop.create_task(self._pass_on(accepted))
                self._links.add(link)
                link.add_done_callback(self._links.discard)
        finally:
            self._socket.close()
            for link in self._links:
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)
            for _ in range(3):  # transports are closed a round after they were told to
                await asyncio.sleep(0)

    async def _pass_on(self, accepted: socket.socket) -> None:
        with accepted, contextlib.suppress(OSError):
            first = await self._first_byte(accepted)
            if not first or (first != HANDSHAKE and not self._tls.also_plain):
                return
            here = await self._streams(accepted, self._context if first == HANDSHAKE else None)
            try:
                there = await asyncio.open_connection("127.0.0.1", self._target())
                try:
                    await _first_of(_pump(here[0], there[1]), _pump(there[0], here[1]))
                finally:
                    there[1].transport.abort()
            finally:
                here[1].transport.abort()

    async def _first_byte(self, accepted: socket.socket) -> bytes:
        there = self._loop.create_future()
        self._loop.add_reader(accepted, lambda: there.done() or there.set_result(None))
        try:
            await there
        finally:
            self._loop.remove_reader(accepted)
        return accepted.recv(1, socket.MSG_PEEK)

    async def _streams(
        self, accepted: socket.socket, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, accepted, ssl=context)
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)


async def _first_of(*ways: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
