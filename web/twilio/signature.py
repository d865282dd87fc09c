"""`X-Twilio-Signature`: whether a webhook really comes from the provider.

base64(HMAC-SHA1(auth token, public URL + every form name and value sorted by name)); the provider signs the
URL it asked for, which behind a proxy is not the one that arrives here.
"""

import hmac
from collections.abc import Iterator
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket
from twilio.request_validator import RequestValidator

from orchestrator.errors import BadSetting
from orchestrator.settings import Settings
from web.unsigned import UnsignedWebhooks

HEADER = "x-twilio-signature"
_PORTS = {"wss": 443, "ws": 80}


class Signatures:
    """Checks the signature of every webhook.

    Without `TWILIO_AUTH_TOKEN` nothing can be checked: development then takes webhooks from this machine
    alone, production nothing (403); and without any provider's key it refuses to start (`BadSetting`).
    """

    def __init__(self, settings: Settings) -> None:
        token = settings.twilio_auth_token.get_secret_value() if settings.twilio_auth_token else ""
        if not settings.knows_a_provider and settings.is_production:
            raise BadSetting("TWILIO_AUTH_TOKEN is not set. Production wants it, to tell forged webhooks.")
        self._validator = RequestValidator(token) if token else None
        self._public_base_url = (settings.public_base_url or "").rstrip("/")
        self._unsigned = UnsignedWebhooks("TWILIO_AUTH_TOKEN", settings, for_trying=True)

    def check(self, request: Request, form: FormData) -> None:
        """Return if the webhook is genuine, else answer 403."""
        if self._validator is None:
            self._unsigned.check(request)
        elif not self._is_valid(self._validator, request, form):
            raise HTTPException(403, "The X-Twilio-Signature is missing or does not match this URL and form.")

    def check_upgrade(self, websocket: WebSocket) -> None:
        """Return if the upgrade to a WebSocket is genuine, else raise HTTPException 403.

        The provider signs the `wss` URL and no fields; some senders put a `/` behind it, some the port into it.
        """
        if self._validator is None:
            self._unsigned.check(websocket)
            return
        given = websocket.headers.get(HEADER, "")
        for url in _spellings(self.public_url(websocket)):
            if hmac.compare_digest(self._validator.compute_signature(url, {}).encode(), given.encode()):
                return
        raise HTTPException(403, "The X-Twilio-Signature is missing or does not match this URL.")

    def public_url(self, request: HTTPConnection) -> str:
        """The URL that the provider asked for."""
        base: str = self._public_base_url or f"{request.scope['scheme']}://{request.headers.get('host', '')}"
        path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        query: bytes = request.scope.get("query_string", b"")
        return base + (path + (b"?" + query if query else b"")).decode("latin-1")

    def _is_valid(self, validator: RequestValidator, request: Request, form: FormData) -> bool:
        signature = request.headers.get(HEADER, "")
        try:
            return bool(signature) and bool(validator.validate(self.public_url(request), form, signature))
        except ValueError:  # a Host header that makes no URL
            return False


def _spellings(url: str) -> Iterator[str]:
    """The ways in which a sender may have written the WebSocket URL that it asked for."""
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme in ("https", "wss") else "ws"
    bare = parts.netloc.removesuffix(":443" if scheme == "wss" else ":80")
    hosts = [bare] if bare != parts.netloc or ":" in bare.rpartition("]")[2] else [bare, f"{bare}:{_PORTS[scheme]}"]
    hosts += [parts.netloc] if bare != parts.netloc else []
    path = parts.path.rstrip("/")
    for host in hosts:
        yield parts._replace(scheme=scheme, netloc=host, path=path).geturl()
        yield parts._replace(scheme=scheme, netloc=host, path=path + "/").geturl()
