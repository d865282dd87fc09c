"""Cuts the deployment's connections to Redis."""

from collections.abc import Collection
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from orchestrator.chaos.local_process import tcp_ports_of
from orchestrator.chaos.ownership import NotOurs
from orchestrator.redis.errors import store_errors

NO_CLIENT = 2**62
"""The number of no connection."""


async def check_rights(redis: Redis) -> None:
    """Raise `NotOurs` if connections cannot be cut with the rights that this client has, and `StoreUnavailable`."""
    with store_errors():
        try:
            await redis.client_list()
            await redis.client_kill_filter(_id=str(NO_CLIENT))
        except NoPermissionError as error:
            raise NotOurs(
                f"Redis does not let this user list and close connections ({error}). Leave them alone: "
                "--kinds kill,freeze,roll; or use another user."
            ) from None


async def cut_connections(redis: Redis, pids: Collection[int], database: int) -> int:
    """Close the connections of these processes, and return how many there were. Raise `StoreUnavailable`.

    Over TCP the port tells whose a connection is. Over a Unix socket nothing does: there they are all that use the
    `database`, but for this one.
    """
    with store_errors():
        async with redis.client() as own:
            me = await own.client_id()
            clients: list[dict[str, Any]] = await own.client_list()
            ports = tcp_ports_of(pids)
            cut = 0
            for client in clients:
                if int(client["id"]) != me and _is_ours(client, ports, database):
                    try:
                        cut += int(await own.client_kill_filter(_id=str(client["id"])))
                    except ResponseError:
                        continue  # it has gone by itself
    return cut


def _is_ours(client: dict[str, Any], ports: set[int], database: int) -> bool:
    if "U" in client["flags"]:
        return int(client["db"]) == database
    port = str(client["addr"]).rpartition(":")[2]
    return port.isdecimal() and int(port) in ports
