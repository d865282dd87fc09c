"""SignalWire cXML: Twilio's signature under another header, and absolute addresses.

A form is signed as Twilio does it, by the project's signing key. A JSON body is signed in hex, over the URL and
the body as it was sent.
"""

import hashlib
import hmac

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from twilio.request_validator import RequestValidator

from orchestrator.settings import Settings
from web.body import media_type
from web.providers.dialect import Dialect, PublicUrl
from web.unsigned import UnsignedWebhooks

HEADERS = ("x-signalwire-signature", "x-twilio-signature")


class SignalWireSignatures:
    """See `Genuine`."""

    def __init__(self, settings: Settings, public_url: PublicUrl) -> None:
        key = settings.signalwire_signing_key
        self._key = key.get_secret_value() if key else ""
        self._public_url = public_url
        self._unsigned = UnsignedWebhooks("SIGNALWIRE_SIGNING_KEY", settings)

    def check_open(self, connection: HTTPConnection) -> None:
        """See `Genuine`."""
        if not self._key:
            self._unsigned.check(connection)

    def check(self, request: Request, form: FormData, body: bytes) -> None:
        """Return if SignalWire has signed this URL with this body, else answer 403."""
        if not self._key:
            self._unsigned.check(request)
            return
        given = next((request.headers[name] for name in HEADERS if name in request.headers), "")
        url = self._public_url(request)
        genuine = self._matches_json if media_type(request) == "application/json" else self._matches_form
        if not given or not genuine(url, form, body, given):
            raise HTTPException(403, "The X-SignalWire-Signature is missing or does not match this URL and body.")

    def _matches_form(self, url: str, form: FormData, body: bytes, given: str) -> bool:
        try:
            return bool(RequestValidator(self._key).validate(url, form, given))
        except ValueError:  # a Host header that makes no URL
            return False

    def _matches_json(self, url: str, form: FormData, body: bytes, given: str) -> bool:
        wanted = hmac.new(self._key.encode(), url.encode() + body, hashlib.sha1).hexdigest()
        return hmac.compare_digest(wanted.encode(), given.encode())


SIGNALWIRE = Dialect("signalwire", SignalWireSignatures, wants_absolute_urls=True, sends_json=True)
