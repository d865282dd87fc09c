"""Which addresses belong to the public internet."""

from ipaddress import IPv4Address, IPv6Address, ip_address

NAT64 = b"\x00\x64\xff\x9b" + b"\0" * 8
"""The prefix 64:ff9b::/96 (RFC 6052): an IPv4 address follows it."""


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
