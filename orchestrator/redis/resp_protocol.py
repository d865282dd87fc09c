"""A connection of redis-py's whose socket is taken over, once it is set up (TLS, password, database).

redis-py reads through a stream and a task that waits for it: for each answer that takes longer than parsing it. A
protocol is called with the bytes as they come.
"""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

import hiredis
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError

_MORE = object()


class RespProtocol(asyncio.Protocol, ABC):
    """Parses what the server sends, and passes each answer to `_received`. RESP2, in bytes.

    Raise redis-py's `ConnectionError` if the connection was closed as soon as it was made.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(
            protocolError=RedisConnectionError, replyError=connection._parser.parse_error, notEnoughData=_MORE
        )
        self._transport: asyncio.Transport = connection._writer.transport
        if self._transport.is_closing():
            raise RedisConnectionError("the connection was closed as soon as it was made")
        self._former_protocol = self._transport.get_protocol()
        self._transport.set_protocol(self)

    @abstractmethod
    def _received(self, answer: Any) -> None:
        """Take an answer; an exception is an error that Redis answered. Raise `ConnectionError` if none is due."""

    @abstractmethod
    def _fail(self, error: Exception) -> None:
        """Close the connection, which is of no use any more. May be called again."""

    def data_received(self, data: bytes) -> None:
        """Parse the answers that are complete."""
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _MORE:
                self._received(answer)
        except RedisConnectionError as error:  # not RESP, or out of order: nothing that follows can be understood
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, and notify the former protocol: redis-py asks it when it closes."""
        self._former_protocol.connection_lost(exc)
        self._fail(RedisConnectionError(f"the connection was lost: {exc}" if exc else "closed by server"))

    def eof_received(self) -> bool:
        """Return False: the transport closes itself."""
        return False


async def discard(pool: ConnectionPool, connection: Any) -> None:
    """Close a connection and return it to its pool, which connects it again."""
    try:
        await connection.disconnect(nowait=True)
    finally:
        await pool.release(connection)
