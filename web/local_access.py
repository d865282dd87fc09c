"""Access to a development server without keys, for its own machine, while nobody else can reach the server.

A request through a tunnel comes from loopback, too. A request with a header of a proxy is refused by itself
(`web.peer`). But a tunnel that passes bytes on adds no header, and its client may send `Host: localhost`. So the whole
server counts as public as soon as `PUBLIC_BASE_URL` names another host, or any request shows that it was forwarded.
"""

import logging
from collections.abc import Callable
from functools import lru_cache

from starlette.requests import HTTPConnection
from starlette.types import Scope

from orchestrator.settings import Settings
from web.peer import forwarding_header, host_of, is_local, is_loopback

logger = logging.getLogger(__name__)


class LocalAccess:
    """Decides for one server. `why_not` says why even this machine is refused; "" while it is allowed.

    Where several processes are one server, `on_forwarded` has the others `close`, too.
    """

    def __init__(self, settings: Settings) -> None:
        self.why_not = "PUBLIC_BASE_URL says that others reach this server" if settings.has_public_url else ""
        self.on_forwarded: Callable[[], None] = lambda: None

    def allows(self, connection: HTTPConnection) -> bool:
        """True if the request comes from this machine, and no other machine can send one."""
        return not self.why_not and is_local(connection)

    def close(self) -> None:
        """Refuse requests without a key from now on, since one was forwarded to this server."""
        self.why_not = self.why_not or "requests reach this server through a proxy or tunnel"

    def note(self, scope: Scope) -> None:
        """Close the server to requests without a key from the first request or upgrade on that was forwarded."""
        if self.why_not:
            return
        sign = _forwarding_sign(scope)
        if sign:
            self.close()
            self.on_forwarded()
            logger.warning(
                "A request was forwarded to this server (%s): from now on nothing is taken without a key. Set API_KEY.",
                sign,
                extra={"action": "server.forwarded"},
            )


def local_access_of(connection: HTTPConnection) -> LocalAccess:
    """Return the `LocalAccess` of the server that received this request."""
    access = connection.app.state.local_access
    assert isinstance(access, LocalAccess)
    return access


def _forwarding_sign(scope: Scope) -> str:
    """Return what shows that a proxy or tunnel forwarded the request; "" if nothing does.

    A request from another machine shows nothing about those that come from this machine.
    """
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        return ""
    header = forwarding_header(scope)
    if header is not None:
        return f"its header {header[:40]}"
    for name, value in scope["headers"]:
        if name == b"host" and not _names_this_machine(value):
            return "a Host that is not this machine"
    return ""


def _names_this_machine(value: bytes) -> bool:
    """True for the value of a Host header that names this machine, or nothing."""
    return _is_known(value) if len(value) <= _LONGEST_KNOWN else _is_this_machine(value)


def _is_this_machine(value: bytes) -> bool:
    host = host_of(f"//{value.decode('latin-1')}")
    return not host or is_loopback(host)


# Nearly every request names one of a few hosts.
_is_known = lru_cache(maxsize=64)(_is_this_machine)
_LONGEST_KNOWN = 80
