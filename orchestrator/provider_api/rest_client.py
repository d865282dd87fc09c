"""The `twilio` library's REST client, without its logs and with the base URL of the settings."""

import logging
from typing import TYPE_CHECKING, Any

from orchestrator.provider_api.errors import Throttled

if TYPE_CHECKING:
    from twilio.rest import Client

OFFICIAL = "https://api.twilio.com"
THROTTLING = (429, 503)
LONGEST_RETRY_AFTER = 3600.0

_silent = logging.Logger("silent", logging.CRITICAL + 1)  # the library logs numbers and addresses


def rest_client(account_sid: str, auth_token: str, base_url: str | None, timeout: tuple[float, float]) -> "Client":
    """Return a client; `timeout`: seconds for connecting and for reading. The import takes a fifth of a second."""
    from twilio.rest import Client

    return Client(account_sid, auth_token, http_client=_Transport(base_url or OFFICIAL, timeout))


class _Transport:
    """The library's transport, which sends to `base_url` instead of Twilio's own address.

    Each request has its own session, since threads cannot safely share one.
    """

    def __init__(self, base_url: str, timeout: tuple[float, float]) -> None:
        from twilio.http.http_client import TwilioHttpClient

        self.is_async = False
        self._client = TwilioHttpClient(pool_connections=False, logger=_silent)
        self._client.timeout = timeout
        self._base_url = base_url

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        """Send one request and return the library's response object. Raise `Throttled`."""
        answer = self._client.request(method, self._base_url + url.removeprefix(OFFICIAL), *args, **options)
        if answer.status_code in THROTTLING:
            raise Throttled(answer.status_code, _seconds(answer.headers))
        return answer


def _seconds(headers: Any) -> float | None:
    """Return how long the provider asks to wait, in seconds; None if it does not say that as a number."""
    said = str((headers or {}).get("Retry-After", "")).strip()
    return min(float(said), LONGEST_RETRY_AFTER) if said.isascii() and said.isdecimal() and len(said) < 10 else None
