"""SignalWire cXML: a signature by the project's signing key in one of three headers, and absolute URLs.

SignalWire's own SDK (`webhook_validator` of signalwire-sdk 3.7) accepts these signatures:

- the URL and the body as sent, in hex, by SHA-256 (`X-SignalWire-Sha256-Signature`) or SHA-1;
- by SHA-1 and in base64, the URL and the fields of a form sorted by name, repeated ones in the order of their arrival;
- in the same way the URL alone, when its `bodySHA256` is the body's hash.

The URL may have been signed with the default port of its scheme or without it. The SDK also accepts the URL alone with
any body. We do not: such a signature would be valid for every body.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request
from twilio.request_validator import RequestValidator

from orchestrator.settings import Settings
from web.body import media_type
from web.providers.dialect import Dialect, PublicUrl
from web.refused_webhooks import RefusedWebhooks
from web.unsigned_webhooks import UnsignedWebhooks

SHA256_HEADER = "x-signalwire-sha256-signature"
HEADERS = ("x-signalwire-signature", "x-twilio-signature")
PORTS = {"http": 80, "https": 443}


class SignalWireSignatures:
    """See `SignatureCheck`."""

    def __init__(self, settings: Settings, public_url: PublicUrl) -> None:
        key = settings.signalwire_signing_key
        self._key = (key.get_secret_value() if key else "").encode()
        self._public_url = public_url
        self._refused = RefusedWebhooks("signalwire")
        self._unsigned = UnsignedWebhooks("signalwire", "SIGNALWIRE_SIGNING_KEY", settings)

    def check_open(self, connection: HTTPConnection) -> None:
        """See `SignatureCheck`."""
        if not self._key:
            self._unsigned.check(connection)

    def check(self, request: Request, form: FormData, body: bytes) -> None:
        """Return if SignalWire has signed this URL with this body, else answer 403."""
        if not self._key:
            self._unsigned.check(request)
            return
        url, headers = self._public_url(request), request.headers
        given = next((headers[name] for name in HEADERS if name in headers), "")
        fields = form if media_type(request) != "application/json" else FormData([])
        try:
            is_valid = self._matches_sha256(url, body, headers.get(SHA256_HEADER, ""))
            is_valid = is_valid or any(self._matches(spelling, fields, body, given) for spelling in _spellings(url))
        except ValueError:  # the Host header makes no valid URL
            is_valid = False
        if not is_valid:
            self._refuse(url, bool(given) or SHA256_HEADER in headers)

    def _refuse(self, url: str, is_signed: bool) -> None:
        if not is_signed:
            advice = "If it comes from SignalWire, something in front of this server takes the header away."
            self._refused.refuse(url, "It carries no X-SignalWire-Signature.", advice)
        self._refused.refuse(
            url,
            "The X-SignalWire-Signature does not match this URL and body.",
            "Set PUBLIC_BASE_URL to what stands before /signalwire in the URL that SignalWire was given; "
            "if it is that, set SIGNALWIRE_SIGNING_KEY to the signing key of the project that calls.",
        )

    def _matches_sha256(self, url: str, body: bytes, given: str) -> bool:
        expected = hmac.new(self._key, url.encode() + body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), given.encode())

    def _matches(self, url: str, fields: FormData, body: bytes, given: str) -> bool:
        return any(hmac.compare_digest(expected, given.encode()) for expected in self._expected(url, fields, body))

    def _expected(self, url: str, fields: FormData, body: bytes) -> Iterator[bytes]:
        """Yield each valid signature of the URL with this body."""
        yield hmac.new(self._key, url.encode() + body, hashlib.sha1).hexdigest().encode()
        digests = parse_qs(urlsplit(url).query).get("bodySHA256", [])
        if digests and not hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), digests[0].encode()):
            return
        if digests:
            yield self._in_base64(url)
        if fields:
            in_order = sorted(fields.multi_items(), key=lambda item: item[0])
            yield self._in_base64(url + "".join(f"{name}{value}" for name, value in in_order))
            yield RequestValidator(self._key.decode()).compute_signature(url, fields).encode()  # as Twilio orders them
        elif not body:
            yield self._in_base64(url)

    def _in_base64(self, text: str) -> bytes:
        return base64.b64encode(hmac.digest(self._key, text.encode(), "sha1"))


def _spellings(url: str) -> Iterator[str]:
    """Yield the URL, and its form with the scheme's default port or without it. Raise ValueError."""
    yield url
    parts = urlsplit(url)
    default, host = PORTS.get(parts.scheme), parts.netloc.rpartition(":")[0]
    if parts.port is None and default is not None:
        yield parts._replace(netloc=f"{parts.netloc}:{default}").geturl()
    elif parts.port == default:
        yield parts._replace(netloc=host).geturl()


SIGNALWIRE = Dialect("signalwire", SignalWireSignatures, needs_absolute_urls=True, sends_json=True)
