"""Binds the listening sockets. uvicorn could, but its errors do not name the wrong setting."""

import asyncio
import errno
import socket

from orchestrator.errors import BadSetting
from orchestrator.settings import Settings


def listening_host(settings: Settings) -> str:
    """Return `HOST`, or its default: all interfaces in production, loopback in development."""
    return settings.host or ("0.0.0.0" if settings.is_production else "127.0.0.1")


async def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Return a bound socket for each address of `host`, not yet listening. Raise `BadSetting`."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not a host name"
        raise BadSetting(f"HOST: no address is known for {host!r} ({why}). {_HOST_ADVICE}") from None
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            sockets.append(_bound(family, address))
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise BadSetting(_complaint(error, host, port)) from None
    return sockets


_HOST_ADVICE = "Set it to 127.0.0.1 for this machine alone, to 0.0.0.0 for all."


def _bound(family: int, address: object) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)  # type: ignore[arg-type]
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _complaint(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"PORT: another program uses {port} at {host}. Stop it, or choose another port."
        case errno.EADDRNOTAVAIL:
            return f"HOST: {host!r} is not an address of this machine. {_HOST_ADVICE}"
        case errno.EACCES:
            return f"PORT: {port} at {host} is not for this user. Choose one above 1023."
        case _:
            return f"HOST and PORT: cannot serve at {host}, port {port}: {error.strerror}."
