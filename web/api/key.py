"""Checks the key of a request to the API, and what that key may do."""

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from orchestrator.api_keys.key import ApiKey, Scope, digest_of, find_key
from orchestrator.settings import Settings
from web.local_access import local_access_of
from web.problem_types import API_CLOSED, INSUFFICIENT_SCOPE
from web.problems import Problem

ALL: frozenset[Scope] = frozenset({"admin"})


LOCAL = ApiKey("local", ALL, "")
"""Who sends from this machine, where no key is needed."""


def check_key(connection: HTTPConnection, settings: Settings, scope: Scope) -> ApiKey:
    """Return the key that the request shows if it allows what needs `scope`; else answer 401 or 403.

    Without any key the API is off in production. In development it is open to this machine alone, and to nobody once
    others can reach the server (`LocalAccess`).
    """
    if settings.has_api_key:
        return _bearer(connection, settings, scope)
    if settings.is_production:
        raise Problem(API_CLOSED, "The API is off. Set API_KEY or API_KEYS to turn it on.")
    access = local_access_of(connection)
    if access.why_not:
        raise Problem(API_CLOSED, f"Set API_KEY: {access.why_not}, so the API is closed without one.")
    if not access.allows(connection):
        raise Problem(API_CLOSED, "Set API_KEY: without it only this machine may use the API, at localhost.")
    return LOCAL


def _bearer(connection: HTTPConnection, settings: Settings, scope: Scope) -> ApiKey:
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "Send the header Authorization: Bearer API_KEY.", {"WWW-Authenticate": "Bearer"})
    key = find_key(_keys(settings), given.strip().encode("latin-1"))
    if key is None:
        raise HTTPException(401, "The key that was sent is none of this server's.", {"WWW-Authenticate": "Bearer"})
    if not key.may(scope):
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'  # RFC 6750, section 3.1
        sentence = f"The key {key.name} may not do that: it needs the scope {scope}."
        raise Problem(INSUFFICIENT_SCOPE, sentence, {"WWW-Authenticate": challenge})
    return key


def _keys(settings: Settings) -> tuple[ApiKey, ...]:
    """Return all keys. That of `API_KEY` may do everything."""
    if settings.api_key is None:
        return settings.keys_of_api
    whole = ApiKey("API_KEY", ALL, digest_of(settings.api_key.get_secret_value().encode()))
    return (whole, *settings.keys_of_api)
