"""The cookie of a session: it stands for a key of the API in a browser, which so need not keep the key.

It holds the name of the key, until when it counts, and a signature over both and over the digest of the key. The
signing key follows from the seal's, which all ingresses share. So a session ends when its time is over, and when its
key is taken away or replaced, and nothing is kept of it here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.responses import Response

from orchestrator.api_keys.key import ApiKey
from orchestrator.settings import Settings
from web.peer import host_of, is_loopback
from web.seal_keys import SealKeys

NAME = "voiceagent_session"
MOST_COOKIES = 4
"""A browser sends those of other paths of the host, too. No more are looked at: each costs some hashes."""
LONGEST = 200
_PURPOSE = b"voiceagent session"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has given `key`; until then (Unix seconds) it counts."""

    key: ApiKey
    until: int


def session_value(key: ApiKey, until: int, seal: SealKeys) -> str:
    """Return the value of the cookie."""
    return f"{key.name}:{until}:{seal.sign(_PURPOSE, _signed(key, until))}"


def read_session(values: Iterable[str], keys: Sequence[ApiKey], seal: SealKeys, now: float) -> Session | None:
    """Return the first session that counts among the values of cookies; None if none does."""
    return next((it for value in values if (it := _session(value, keys, seal, now)) is not None), None)


def session_values(connection: HTTPConnection) -> list[str]:
    """Return the values of the request's session cookies: those for the longest paths come first."""
    pairs = (
        part.strip().partition("=") for header in connection.headers.getlist("cookie") for part in header.split(";")
    )
    return [value.strip() for name, _, value in pairs if name == NAME][:MOST_COOKIES]


def set_session(response: Response, value: str, seconds: int, connection: HTTPConnection, settings: Settings) -> None:
    """Have the browser keep the cookie for so long: for this server alone, and out of the reach of scripts."""
    response.set_cookie(
        NAME, value, max_age=seconds, path=settings.base_path or "/", secure=not is_plain_loopback(connection),
        httponly=True, samesite="strict",
    )  # fmt: skip


def is_plain_loopback(connection: HTTPConnection) -> bool:
    """True if the browser asked this very machine without TLS: not every browser keeps a `Secure` cookie then."""
    origin = connection.headers.get("origin", "")
    asked = origin if origin and origin != "null" else f"{connection.url.scheme}://{connection.headers.get('host', '')}"
    return asked.startswith("http:") and connection.url.scheme == "http" and is_loopback(host_of(asked))


def _session(value: str, keys: Sequence[ApiKey], seal: SealKeys, now: float) -> Session | None:
    parts = value.split(":") if len(value) <= LONGEST else []
    if len(parts) != 3 or not (parts[1].isascii() and parts[1].isdecimal() and len(parts[1]) < 12):
        return None
    name, until, signature = parts[0], int(parts[1]), parts[2]
    if until <= now:
        return None
    named = (key for key in keys if key.name == name)
    found = next((key for key in named if seal.has_signed(_PURPOSE, _signed(key, until), signature)), None)
    return Session(found, until) if found is not None else None


def _signed(key: ApiKey, until: int) -> bytes:
    return f"{key.name}:{until}:{key.digest}".encode()
