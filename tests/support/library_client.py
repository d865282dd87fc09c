"""The `twilio` library's client as it is, sent to a server on loopback instead of Twilio."""

from typing import Any

from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

OFFICIAL = "https://api.twilio.com"


class _Transport(TwilioHttpClient):
    def __init__(self, base_url: str) -> None:
        super().__init__(pool_connections=False, timeout=10)
        self._base_url = base_url

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Response:
        return super().request(method, self._base_url + url.removeprefix(OFFICIAL), *args, **options)


def library_client(account_sid: str, auth_token: str, base_url: str) -> Client:
    """A client for the API at `base_url`."""
    return Client(account_sid, auth_token, http_client=_Transport(base_url))
