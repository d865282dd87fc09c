"""Which addresses belong to the public internet."""

from ipaddress import IPv4Address, IPv6Address, ip_address

CARRYING_IPV4 = (
    b"\x00\x64\xff\x9b" + b"\0" * 8,  # 64:ff9b::/96, NAT64 (RFC 6052)
    b"\0" * 8 + b"\xff\xff\0\0",  # ::ffff:0:0:0/96, IPv4-translated (RFC 2765)
    b"\0" * 12,  # ::/96, IPv4-compatible (RFC 4291, section 2.5.5.1)
)
"""Prefixes that an IPv4 address follows."""
LOCAL_NAT64 = b"\x00\x64\xff\x9b\x00\x01"
"""The prefix 64:ff9b:1::/48 (RFC 8215): for translation inside a network, whatever follows."""


def is_public(address: str) -> bool:
    """Return whether `address` belongs to the public internet, also where it carries an IPv4 address inside."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and (found.is_site_local or found.packed.startswith(LOCAL_NAT64)):
        return False
    return all(it.is_global and not it.is_multicast for it in (found, *_embedded(found)))


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address.packed.startswith(CARRYING_IPV4):
        found.append(IPv4Address(address.packed[-4:]))
    return [it for it in found if it is not None]
