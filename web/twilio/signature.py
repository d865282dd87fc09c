"""Checks `X-Twilio-Signature`, which shows that a webhook comes from Twilio (`web.twilio.signer`).

Twilio signs the URL that it requested, which behind a proxy is not the one that arrives here.
"""

import hmac
from collections.abc import Callable, Iterator
from typing import NoReturn, cast
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from orchestrator.errors import BadSetting
from orchestrator.settings import Settings
from web.refused_webhooks import RefusedWebhooks, public_urls
from web.request_headers import header
from web.twilio.signer import Signer
from web.unsigned_webhooks import UnsignedWebhooks

HEADER = "x-twilio-signature"
_HEADER = HEADER.encode()
_PORTS = {"wss": 443, "ws": 80}


class TwilioSignatures:
    """Checks the signature of every webhook: `TWILIO_AUTH_TOKEN` or, while tokens rotate, the secondary one.

    Without `TWILIO_AUTH_TOKEN` nothing can be checked: development then accepts webhooks from this machine alone, and
    production none (403). Production without the key of any provider refuses to start (`BadSetting`).
    """

    def __init__(self, settings: Settings) -> None:
        tokens = (settings.twilio_auth_token, settings.twilio_auth_token_secondary)
        if not settings.knows_a_provider and settings.is_production:
            raise BadSetting("TWILIO_AUTH_TOKEN is not set. Production requires it, to detect forged webhooks.")
        self._signers = tuple(Signer(token.get_secret_value()) for token in tokens if token is not None)
        self._public_base_url = (settings.public_base_url or "").rstrip("/")
        self._refused = RefusedWebhooks("twilio")
        self._unsigned = UnsignedWebhooks("twilio", "TWILIO_AUTH_TOKEN", settings, for_trying=True)

    def check(self, request: Request, form: FormData) -> None:
        """Return if the signature of the webhook is right, else answer 403."""
        if not self._signers:
            self._unsigned.check(request)
        elif not self._is_valid(self.public_url(request), request, form):
            self._refuse(
                request,
                "The X-Twilio-Signature is missing or does not match this URL and form.",
                lambda url: self._is_valid(url, request, form),
            )

    def check_upgrade(self, websocket: WebSocket) -> None:
        """Return if the signature of the upgrade to a WebSocket is right, else raise HTTPException 403.

        Twilio signs the `wss` URL and no fields; some senders append a `/` to it, some insert the port.
        """
        if not self._signers:
            self._unsigned.check(websocket)
        elif not self._is_valid_upgrade(self.public_url(websocket), websocket):
            self._refuse(
                websocket,
                "The X-Twilio-Signature is missing or does not match this URL.",
                lambda url: self._is_valid_upgrade(url, websocket),
            )

    def public_url(self, request: HTTPConnection) -> str:
        """Return the URL that the provider requested."""
        path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        query: bytes = request.scope.get("query_string", b"")
        return self._base_of(request) + (path + (b"?" + query if query else b"")).decode("latin-1")

    def _base_of(self, request: HTTPConnection) -> str:
        return self._public_base_url or f"{request.scope['scheme']}://{header(request, b'host')}"

    def _is_valid(self, url: str, request: Request, form: FormData) -> bool:
        given = header(request, _HEADER)
        fields = cast("list[tuple[str, str]]", form.multi_items())
        try:
            return bool(given) and any(signer.has_signed(url, fields, given) for signer in self._signers)
        except ValueError:  # the Host header makes no valid URL
            return False

    def _is_valid_upgrade(self, url: str, websocket: WebSocket) -> bool:
        given = websocket.headers.get(HEADER, "").encode()
        try:
            spellings = list(_spellings(url))
        except ValueError:  # the Host header makes no valid URL
            return False
        signatures = (signer.signature(spelling) for signer in self._signers for spelling in spellings)
        return any(hmac.compare_digest(signature, given) for signature in signatures)

    def _refuse(self, connection: HTTPConnection, reason: str, is_valid: Callable[[str], bool]) -> NoReturn:
        url = self.public_url(connection)
        if not connection.headers.get(HEADER):
            reason = "It carries no X-Twilio-Signature."
            advice = "If it comes from Twilio, something in front of this server takes the header away."
        else:
            advice = self._advice(connection, is_valid) if self._refused.is_due(reason) else ""
        self._refused.refuse(url, reason, advice)

    def _advice(self, connection: HTTPConnection, is_valid: Callable[[str], bool]) -> str:
        """Return which setting to change. The request's own headers may name the URL that was signed."""
        rest = self.public_url(connection).removeprefix(self._base_of(connection))
        found = next((url for url in public_urls(connection, rest) if is_valid(url)), None)
        if found is not None:
            return f"The signature is right for another URL: set PUBLIC_BASE_URL={found.removesuffix(rest)}"
        return (
            "Set PUBLIC_BASE_URL to what stands before /twilio in the URL that Twilio was given; "
            "if it is that, set TWILIO_AUTH_TOKEN to the auth token of the account that calls."
        )


def _spellings(url: str) -> Iterator[str]:
    """Yield the forms in which a sender may have written the WebSocket URL."""
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme in ("https", "wss") else "ws"
    bare = parts.netloc.removesuffix(":443" if scheme == "wss" else ":80")
    hosts = [bare] if bare != parts.netloc or ":" in bare.rpartition("]")[2] else [bare, f"{bare}:{_PORTS[scheme]}"]
    hosts += [parts.netloc] if bare != parts.netloc else []
    path = parts.path.rstrip("/")
    for host in hosts:
        yield parts._replace(scheme=scheme, netloc=host, path=path).geturl()
        yield parts._replace(scheme=scheme, netloc=host, path=path + "/").geturl()
