"""Who is on the other side of a connection."""

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
"""How the names of headers begin that proxies, tunnels and content networks add; browsers and our clients do not."""


def is_local(connection: HTTPConnection) -> bool:
    """Whether the request was made on this machine, by somebody who may speak for it.

    One that a proxy or tunnel passed on was not, although its socket comes from loopback. Neither was one that a
    browser sends for a page of somebody else: it names that page's host in `Origin`, or, when the page has had
    its own name point here, in `Host`.
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
    """The first of the header names that only a proxy or tunnel adds. They are taken in lower case."""
    return next((name for name in names if name.startswith(_FORWARDING_HEADERS)), None)


def host_of(url: str) -> str:
    """The host in a URL; "" when there is none, or the URL is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether the name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
