"""Resolves a host to addresses that everybody may connect to, so that nothing is sent into a private network."""

import asyncio
import socket

from orchestrator.internet_address import is_public


class PrivateAddress(Exception):
    """A host has an address that is not a public one."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"The host {host} has the address {address}, which is not a public one.")
        self.host = host
        self.address = address


async def public_addresses(host: str, port: int) -> list[str]:
    """Return the addresses of `host`, in the resolver's order.

    Raise `PrivateAddress` if one of them is private, loopback, link-local, reserved or otherwise not for everybody.
    Raise OSError if the name cannot be resolved now, UnicodeError if it is no name.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    for address in addresses:
        if not is_public(address):
            raise PrivateAddress(host, address)
    return addresses
