"""Whether a browser sends a request for a page of this server.

A browser adds the cookie of a session to requests that others' pages make, too: `SameSite` counts the ports of a host,
and its subdomains, as one site. So what changes something by a cookie must come from our own page.
"""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from orchestrator.settings import Settings
from web.problem_types import FOREIGN_PAGE
from web.problems import Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110, section 9.2.1."""


def check_same_origin(connection: HTTPConnection, settings: Settings) -> None:
    """Return if a page of this server sends the request; else answer 403. What does not say who sends it is refused."""
    site, origins = connection.headers.get("sec-fetch-site"), connection.headers.getlist("origin")
    if site is None and not origins:
        raise Problem(FOREIGN_PAGE, "Send the key itself (Authorization: Bearer): a session is for browsers alone.")
    check_no_other_page(connection, settings)


def check_no_other_page(connection: HTTPConnection, settings: Settings) -> None:
    """Answer 403 to what says that a page of another server sends it."""
    site, origins = connection.headers.get("sec-fetch-site"), connection.headers.getlist("origin")
    is_foreign = site not in (None, "same-origin", "none")
    if is_foreign or (site is None and not all(_is_ours(origin, connection, settings) for origin in origins)):
        raise Problem(FOREIGN_PAGE, "A page of another server may not do that with a session of this one.")


def _is_ours(origin: str, connection: HTTPConnection, settings: Settings) -> bool:
    """True if the origin is this server, by the name the browser asked for or by the public one."""
    place = _place(origin)
    ours = {connection.headers.get("host", "").lower()}
    if settings.public_base_url:
        ours.add(_place(str(settings.public_base_url)))
    return place != "" and place in ours


def _place(url: str) -> str:
    """Return host and port of a URL as `Host` would say them: without the port that its scheme has anyway."""
    try:
        parts = urlsplit(url.lower())
        port = parts.port
    except ValueError:
        return ""
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    return host if port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f"{host}:{port}"
