"""Who is on the other side of a connection."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

_PROXY_HEADERS = (
    "cf-connecting-ip",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)


def is_local(connection: HTTPConnection) -> bool:
    """Whether the request was made on this machine, by somebody who may speak for it.

    One that a proxy or tunnel passed on was not, although its socket comes from loopback. Neither was one that a
    browser sends for a page of somebody else: it names that page's host in `Origin`, or, when the page has had
    its own name point here, in `Host`.
    """
    headers = connection.headers
    if connection.client is None or any(name in headers for name in _PROXY_HEADERS):
        return False
    origin = headers.get("origin")
    return (
        _is_loopback(connection.client.host)
        and _is_loopback(_host_of(f"//{headers.get('host', '')}"))
        and (origin is None or _is_loopback(_host_of(origin)))
    )


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
