"""Checks `API_KEY`, which opens the API."""

import hmac

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from orchestrator.settings import Settings
from web.local_access import local_access_of


def check_key(connection: HTTPConnection, settings: Settings) -> None:
    """Return if the request is allowed; else answer 401, or 403 where no key is set.

    Without a key the API is off in production. In development it is open to this machine alone, and to nobody once
    others can reach the server (`LocalAccess`).
    """
    if settings.api_key is not None and settings.api_key.get_secret_value():
        _check_bearer(connection, settings.api_key.get_secret_value())
    elif settings.is_production:
        raise HTTPException(403, "The API is off. Set API_KEY to turn it on.")
    elif (access := local_access_of(connection)).why_not:
        raise HTTPException(403, f"Set API_KEY: {access.why_not}, so the API is closed without one.")
    elif not access.allows(connection):
        raise HTTPException(403, "Set API_KEY: without it only this machine may use the API, at localhost.")


def _check_bearer(connection: HTTPConnection, key: str) -> None:
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    is_right = hmac.compare_digest(given.strip().encode("latin-1"), key.encode())
    if scheme.lower() != "bearer":
        raise HTTPException(401, "Send the header Authorization: Bearer API_KEY.", {"WWW-Authenticate": "Bearer"})
    if not is_right:
        raise HTTPException(401, "The key that was sent is not this server's API_KEY.", {"WWW-Authenticate": "Bearer"})
