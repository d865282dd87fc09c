"""Headers of every answer whose route does not set them."""

from starlette.types import Message

_DEFAULTS = (
    (b"cache-control", b"no-store"),  # no cache may keep what callers say
    (b"x-content-type-options", b"nosniff"),
)

DEFAULT_LINES = b"".join([name + b": " + value + b"\r\n" for name, value in _DEFAULTS])
"""All of them, as HTTP/1.1 writes them."""


def add_default_headers(start: Message) -> None:
    """Add the headers that the start of an answer lacks."""
    headers = start.setdefault("headers", [])
    present = {name.lower() for name, _ in headers}
    headers.extend([default for default in _DEFAULTS if default[0] not in present])
