"""Telnyx TeXML: Ed25519 signatures, and a `<Gather>` that has fewer attributes.

The signature (base64, `telnyx-signature-ed25519`) is over `timestamp|body`, the timestamp (Unix seconds) being in
`telnyx-timestamp`. It does not cover the URL. Call ids look like `v2:T02…`.
"""

import base64
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request

from orchestrator import clock
from orchestrator.settings import Settings
from web.providers.dialect import Dialect, PublicUrl
from web.refused_webhooks import RefusedWebhooks
from web.unsigned_webhooks import UnsignedWebhooks

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_SECONDS = 300
SPEECH_TIMEOUT_SECONDS = "2"
"""Telnyx does not support `auto`."""
LONGEST_RINGING_SECONDS = 120


class TelnyxSignatures:
    """See `SignatureCheck`."""

    def __init__(self, settings: Settings, public_url: PublicUrl) -> None:
        self._key = _public_key(settings.telnyx_public_key) if settings.telnyx_public_key else None
        self._public_url = public_url
        self._refused = RefusedWebhooks("telnyx")
        self._unsigned = UnsignedWebhooks("telnyx", "TELNYX_PUBLIC_KEY", settings)

    def check_open(self, connection: HTTPConnection) -> None:
        """See `SignatureCheck`."""
        if self._key is None:
            self._unsigned.check(connection)

    def check(self, request: Request, form: FormData, body: bytes) -> None:
        """Return if Telnyx has signed this body within the last five minutes, else answer 403."""
        if self._key is None:
            self._unsigned.check(request)
            return
        timestamp, url = request.headers.get("telnyx-timestamp", ""), self._public_url(request)
        if not _is_fresh(timestamp):
            reason = "The telnyx-timestamp is missing or more than five minutes away."
            self._refused.refuse(url, reason, "If it comes from Telnyx, set this machine's clock.")
        if not _is_signed(self._key, request.headers.get("telnyx-signature-ed25519", ""), timestamp, body):
            reason = "The telnyx-signature-ed25519 is missing or does not match this body."
            self._refused.refuse(url, reason, "Set TELNYX_PUBLIC_KEY to the public key of the account that calls.")


def _public_key(text: str) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text))


def _is_fresh(timestamp: str) -> bool:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 12):
        return False
    return abs(clock.now() - int(timestamp)) <= TOLERANCE_SECONDS


def _is_signed(key: "Ed25519PublicKey", signature: str, timestamp: str, body: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(base64.b64decode(signature, validate=True), f"{timestamp}|".encode() + body)
    except (InvalidSignature, ValueError):
        return False
    return True


def _adapt(element: Element) -> None:
    """Remove `actionOnEmptyResult`, which Telnyx lacks: after silence it executes the Redirect behind the Gather.

    A telephone rings for two minutes at the most.
    """
    if element.tag == "Dial" and int(element.get("timeout", "0")) > LONGEST_RINGING_SECONDS:
        element.set("timeout", str(LONGEST_RINGING_SECONDS))
    if element.tag == "Gather":
        element.attrib.pop("actionOnEmptyResult", None)
        if element.get("speechTimeout") == "auto":
            element.set("speechTimeout", SPEECH_TIMEOUT_SECONDS)


TELNYX = Dialect("telnyx", TelnyxSignatures, _adapt)
