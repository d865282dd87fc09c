"""Where a request comes from: this machine, or through a proxy or tunnel."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

_FORWARDING_HEADERS = (
    "cdn-loop",
    "cf-",
    "fastly-",
    "fly-",
    "forwarded",
    "ngrok-",
    "tailscale-",
    "true-client-ip",
    "via",
    "x-amzn-trace-id",
    "x-arr-",
    "x-azure-",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-",
    "x-forwarded",
    "x-original-",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-request-via",
    "x-tunnel",
)
"""Prefixes of headers that proxies, tunnels and content networks add, and browsers and our own clients do not."""


def is_local(connection: HTTPConnection) -> bool:
    """True if a program of this machine sent the request on its own behalf.

    False for a request that a proxy or tunnel forwarded, although its socket comes from loopback. False also for one
    that a browser sends for a page of another host: `Origin` names that host, or `Host` does when the page's own name
    was made to resolve to this machine (DNS rebinding).
    """
    headers = connection.headers
    if connection.client is None or forwarding_header(headers.keys()) is not None:
        return False
    hosts = headers.getlist("host") or [""]
    return (
        is_loopback(connection.client.host)
        and all(is_loopback(host_of(f"//{host}")) for host in hosts)
        and all(is_loopback(host_of(origin)) for origin in headers.getlist("origin"))
    )


def forwarding_header(names: Iterable[str]) -> str | None:
    """Return the first of the header names (in lower case) that only a proxy or tunnel adds; None if there is none."""
    return next((name for name in names if name.startswith(_FORWARDING_HEADERS)), None)


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
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
