"""Resolves a host to addresses that everybody may connect to, so that no event is sent into a private network."""

import asyncio
import socket

from orchestrator.events.sinks.sink import EventRefused
from orchestrator.internet_address import is_public


async def public_addresses(host: str, port: int) -> list[str]:
    """Return the addresses of `host`, in the resolver's order.

    Raise `EventRefused` if one of them is private, loopback, link-local, reserved or otherwise not for everybody.
    Raise OSError if the name cannot be resolved now.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    for address in addresses:
        if not is_public(address):
            raise EventRefused(
                f"The webhook's host {host} has the address {address}, which is not a public one. "
                "Set EVENTS_ALLOW_PRIVATE=true if that is right."
            )
    return addresses
