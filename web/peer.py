"""Where a request comes from: this machine, or through a proxy or tunnel."""

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import Scope

_FORWARDING_HEADERS = (
    b"cdn-loop",
    b"cf-",
    b"fastly-",
    b"fly-",
    b"forwarded",
    b"ngrok-",
    b"tailscale-",
    b"true-client-ip",
    b"via",
    b"x-amzn-trace-id",
    b"x-arr-",
    b"x-azure-",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"x-envoy-",
    b"x-forwarded",
    b"x-original-",
    b"x-proxyuser-ip",
    b"x-real-ip",
    b"x-request-via",
    b"x-tunnel",
)
"""Prefixes of headers that proxies, tunnels and content networks add, and browsers and our own clients do not."""


def is_local(connection: HTTPConnection) -> bool:
    """True if a program of this machine sent the request on its own behalf.

    False for a request that a proxy or tunnel forwarded, although its socket comes from loopback. False also for one
    that a browser sends for a page of another host: `Origin` names that host, or `Host` does when the page's own name
    was made to resolve to this machine (DNS rebinding).
    """
    headers = connection.headers
    if connection.client is None or forwarding_header(connection.scope) is not None:
        return False
    hosts = headers.getlist("host") or [""]
    return (
        is_loopback(connection.client.host)
        and all(is_loopback(host_of(f"//{host}")) for host in hosts)
        and all(is_loopback(host_of(origin)) for origin in headers.getlist("origin"))
    )


def forwarding_header(scope: Scope) -> str | None:
    """Return the name of the first header that only a proxy or tunnel adds; None if there is none."""
    for name, _ in scope["headers"]:
        if name.startswith(_FORWARDING_HEADERS):
            return str(name.decode("latin-1"))
    return None


def host_of(url: str) -> str:
    """Return the host in a URL; "" when it has none, or is not a valid URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """True for a name or address of the loopback interface."""
    if host == "localhost":
        return True
    return _is_known_loopback(host) if len(host) <= _LONGEST_KNOWN else _is_loopback_address(host)


def _is_loopback_address(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


# Nearly every request comes from one of a few addresses, and names one of a few hosts.
_is_known_loopback = lru_cache(maxsize=256)(_is_loopback_address)
_LONGEST_KNOWN = 60
"""Characters: an address may hold a zone of any length."""
