"""Which addresses an event may be sent to."""

import socket

import pytest

from orchestrator.events.sinks.public_addresses import public_addresses
from orchestrator.events.sinks.sink import EventRefused
from orchestrator.internet_address import is_public

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "198.18.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1%eth0", "fc00::1",
    "fd12::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::",
    "64:ff9b::a00:1", "64:ff9b::7f00:1", "2001:0:0:0:0:0:80ff:fffe", "fec0::1", "64:ff9b:1::a9fe:a9fe",
    "::ffff:0:127.0.0.1", "::127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_none_of_the_public_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_one(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "::1"])
async def test_a_host_with_a_private_address_is_refused_however_it_is_spelled(host: str) -> None:
    with pytest.raises(EventRefused, match="EVENTS_ALLOW_PRIVATE=true"):
        await public_addresses(host, 80)


async def test_a_host_that_cannot_be_resolved_is_tried_again() -> None:
    with pytest.raises(socket.gaierror):
        await public_addresses("nowhere.invalid", 80)
