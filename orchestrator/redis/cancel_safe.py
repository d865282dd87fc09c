"""Connections whose sends can be cancelled safely, and that fail cleanly when the server closes each new connection.

redis-py 5.3 sends through `asyncio.wait_for`, which on Python 3.11 swallows a cancellation that arrives as the send
completes: the cancelled task keeps running, and a drain waits for it without end. It also costs a task for each
command. A timeout scope does neither.

redis-py also checks the health of a connection that is still being set up, and reconnects inside that check: with a
server that closes each new connection it recurses until the stack overflows.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from orchestrator.redis.topology import Topology


class _CancelSafeSend:
    """Replaces `send_packed_command` and guards `on_connect`; everything else is redis-py's."""

    health_check_interval: float
    next_health_check: float

    async def on_connect(self: Any) -> None:
        """Log in and select the database, without a health check: the connection is new."""
        interval, self.health_check_interval = self.health_check_interval, 0
        try:
            await super().on_connect()  # type: ignore[misc]
        finally:
            self.health_check_interval = interval
        self.next_health_check = asyncio.get_running_loop().time() + interval

    async def send_packed_command(self: Any, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Write `command`; connect first if there is no connection. Raises what redis-py would raise."""
        if not self.is_connected:
            await self.connect()
        elif check_health:
            await self.check_health()
        try:
            async with asyncio.timeout(self.socket_timeout):
                self._writer.writelines(_pieces(command))
                await self._writer.drain()
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise RedisTimeoutError("Timeout writing to socket") from None
        except (OSError, RuntimeError) as error:  # uvloop raises RuntimeError for a connection that was just lost
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"Error while writing to socket: {error}") from error
        except BaseException:
            # Half a command may have been sent: the server could not parse what follows.
            await self.disconnect(nowait=True)
            raise


def _pieces(command: bytes | str | Iterable[bytes]) -> Iterable[bytes]:
    if isinstance(command, str):
        return [command.encode()]
    return [command] if isinstance(command, bytes) else command


class CancelSafeConnection(_CancelSafeSend, Connection):
    """TCP."""


class CancelSafeTLSConnection(_CancelSafeSend, SSLConnection):
    """TCP with TLS."""


class CancelSafeUnixConnection(_CancelSafeSend, UnixDomainSocketConnection):
    """A Unix domain socket."""


class CancelSafeSentinelConnection(_CancelSafeSend, SentinelManagedConnection):
    """TCP, to the master that the Sentinels name."""


class CancelSafeSentinelTLSConnection(_CancelSafeSend, SentinelManagedSSLConnection):
    """TCP with TLS, to the master that the Sentinels name."""


class _AnyNode:
    """Connects to any node of a Redis Cluster, and to another one when that fails."""

    host: str
    port: int

    def __init__(self, *, topology: "Topology", **options: Any) -> None:
        super().__init__(**options)
        self._topology = topology

    async def _connect(self) -> None:
        address = self.host, self.port = await self._topology.locate(None)
        try:
            await super()._connect()  # type: ignore[misc]
        except (RedisError, OSError) as error:
            self._topology.learn(address, error)
            raise


class AnyNodeConnection(_AnyNode, CancelSafeConnection):
    """TCP, to any node."""


class AnyNodeTLSConnection(_AnyNode, CancelSafeTLSConnection):
    """TCP with TLS, to any node."""
