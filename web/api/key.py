"""Finds out who sends a request to the API, and checks what they may do.

A client shows its key (`Authorization: Bearer`). A browser shows the cookie of a session, which stands for the key that
somebody has given (`web.api.session`).
"""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from orchestrator import clock
from orchestrator.api_keys.key import ApiKey, Scope, digest_of, find_key
from orchestrator.errors import StoreUnavailable
from orchestrator.settings import Settings
from web.api.same_origin import SAFE_METHODS, check_same_origin
from web.api.session_cookie import read_session, session_values
from web.ingress import ingress_of
from web.local_access import local_access_of
from web.problem_types import API_CLOSED, INSUFFICIENT_SCOPE
from web.problems import Problem, as_problem
from web.request_headers import has_header, header

ALL: frozenset[Scope] = frozenset({"admin"})
CHALLENGE = {"WWW-Authenticate": "Bearer"}
LOCAL = ApiKey("local", ALL, "")
"""Who sends from this machine, where no key is needed."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a request: by which key, and until when (Unix seconds) if it is a session that ends."""

    key: ApiKey
    until: int | None = None


async def admit(connection: HTTPConnection, settings: Settings, scope: Scope) -> ApiKey:
    """Return the key that the request shows if it allows what needs `scope`; else answer 401 or 403.

    What a route does first: a browser's session counts here whichever ingress has opened it.
    """
    await _learn_session(connection, settings)
    return check_key(connection, settings, scope)


async def admitted_sender(connection: HTTPConnection, settings: Settings) -> Sender:
    """Return who sends the request, whatever they may do; else answer 401 or 403."""
    await _learn_session(connection, settings)
    return sender_of(connection, settings)


def check_key(connection: HTTPConnection, settings: Settings, scope: Scope) -> ApiKey:
    """Return the key of a request that `admit` has let in, if it allows what needs `scope`; else answer 401 or 403.

    Without any key the API is off in production. In development it is open to this machine alone, and to nobody once
    others can reach the server (`LocalAccess`).
    """
    key = sender_of(connection, settings).key
    if not key.may(scope):
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'  # RFC 6750, section 3.1
        sentence = f"The key {key.name} may not do that: it needs the scope {scope}."
        raise Problem(INSUFFICIENT_SCOPE, sentence, {"WWW-Authenticate": challenge})
    return key


def sender_of(connection: HTTPConnection, settings: Settings) -> Sender:
    """Return who sends the request; else answer 401 or 403. A key goes before a cookie."""
    if not settings.has_api_key:
        check_local(connection, settings)
        return Sender(LOCAL)
    if has_header(connection, b"authorization"):
        return Sender(_bearer(connection, settings))
    values = session_values(connection)
    if not values:
        raise HTTPException(401, "Send the header Authorization: Bearer API_KEY.", CHALLENGE)
    session = read_session(values, keys_of(settings), ingress_of(connection).seal.keys, clock.now())
    if session is None:
        raise HTTPException(401, "The session is over, or its key was taken away. Give the key again.", CHALLENGE)
    if connection.scope.get("method") not in SAFE_METHODS:
        check_same_origin(connection, settings)
    return Sender(session.key, session.until)


def check_local(connection: HTTPConnection, settings: Settings) -> None:
    """Return if a server without keys is open to the request; else answer 403."""
    if settings.is_production:
        raise Problem(API_CLOSED, "The API is off. Set API_KEY or API_KEYS to turn it on.")
    access = local_access_of(connection)
    if access.why_not:
        raise Problem(API_CLOSED, f"Set API_KEY: {access.why_not}, so the API is closed without one.")
    if not access.allows(connection):
        raise Problem(API_CLOSED, "Set API_KEY: without it only this machine may use the API, at localhost.")


async def _learn_session(connection: HTTPConnection, settings: Settings) -> None:
    """Ask for the keys of the other ingresses if one of them may have signed the request's cookie.

    Answer 503 while they cannot be read.
    """
    if has_header(connection, b"authorization") or not settings.has_api_key:
        return
    seal, values = ingress_of(connection).seal, session_values(connection)
    if values and read_session(values, keys_of(settings), seal.keys, clock.now()) is None:
        try:
            await seal.learn()
        except StoreUnavailable as error:
            raise as_problem(error) from error


def keys_of(settings: Settings) -> tuple[ApiKey, ...]:
    """Return all keys. That of `API_KEY` may do everything."""
    if settings.api_key is None:
        return settings.keys_of_api
    whole = ApiKey("API_KEY", ALL, digest_of(settings.api_key.get_secret_value().encode()))
    return (whole, *settings.keys_of_api)


def _bearer(connection: HTTPConnection, settings: Settings) -> ApiKey:
    scheme, _, given = header(connection, b"authorization").partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "Send the header Authorization: Bearer API_KEY.", CHALLENGE)
    key = find_key(keys_of(settings), given.strip().encode("latin-1"))
    if key is None:
        raise HTTPException(401, "The key that was sent is none of this server's.", CHALLENGE)
    return key
