"""Resolves a host to addresses that everybody may connect to, so that no event is sent into a private network."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from orchestrator.events.sinks.sink import EventRefused

NAT64 = b"\x00\x64\xff\x9b" + b"\0" * 8
"""The prefix 64:ff9b::/96 (RFC 6052): an IPv4 address follows it."""


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


def is_public(address: str) -> bool:
    """Return whether `address` belongs to the public internet, also where it carries an IPv4 address inside."""
    bare = address.partition("%")[0]
    return all(it.is_global and not it.is_multicast for it in (ip_address(bare), *_embedded(ip_address(bare))))


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address.packed.startswith(NAT64):
        found.append(IPv4Address(address.packed[-4:]))
    return [it for it in found if it is not None]
