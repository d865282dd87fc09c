"""Reads a header as it stands in an ASGI scope: Starlette's `Headers` take four times as long to find one."""

from starlette.requests import HTTPConnection


def header(connection: HTTPConnection, name: bytes) -> str:
    """Return the first header of this name, which is in lower case; "" if there is none."""
    for key, value in connection.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def has_header(connection: HTTPConnection, name: bytes) -> bool:
    """True if there is a header of this name, which is in lower case."""
    return any(key == name for key, _ in connection.scope["headers"])
