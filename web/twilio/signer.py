"""The signature that Twilio computes of a request: base64(HMAC-SHA1(auth token, URL + names and values)).

Every name and value of the form follows the URL, sorted by name and then by value, each distinct pair once
(https://www.twilio.com/docs/usage/webhooks/webhooks-security). Twilio signs some URLs with their port and some without.
So `has_signed` accepts both, as Twilio's own library does. It tries the URL as it came first, which nearly always fits.
"""

import base64
import hmac
import re
from collections.abc import Collection, Iterator
from urllib.parse import urlparse

_PORTS = {"https": 443}
_OTHER_PORT = 80
# A URL that `urlparse` neither refuses nor changes, so that it is one of its own spellings.
_PLAIN = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::(?:[0-9]{1,4}|[1-5][0-9]{4}))?/[A-Za-z0-9/_.~%-]*(?:\?[A-Za-z0-9/_.~%=&+-]+)?"
)


class Signer:
    """Computes signatures with one auth token."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def signature(self, url: str, fields: Collection[tuple[str, str]] = ()) -> bytes:
        """Return the signature of a request to `url` with these fields of a form."""
        signed = url + "".join([name + value for name, value in sorted(set(fields))])
        return base64.b64encode(hmac.digest(self._token, signed.encode(), "sha1"))

    def has_signed(self, url: str, fields: Collection[tuple[str, str]], given: str) -> bool:
        """True if `given` is the signature of a request to `url`, which may have been written with its port or without.

        Raise ValueError for a `url` that is none.
        """
        signature = given.encode()
        if _PLAIN.fullmatch(url) and hmac.compare_digest(self.signature(url, fields), signature):
            return True
        return any(hmac.compare_digest(self.signature(other, fields), signature) for other in _spellings(url))


def _spellings(url: str) -> Iterator[str]:
    """Yield the URL without a port and with one, as `urlparse` writes it."""
    parts = urlparse(url)
    host, port = parts.netloc, parts.port
    if port:
        yield parts._replace(netloc=host.split(":")[0]).geturl()
        yield parts.geturl()
    else:
        yield parts.geturl()
        yield parts._replace(netloc=f"{host}:{_PORTS.get(parts.scheme, _OTHER_PORT)}").geturl()
