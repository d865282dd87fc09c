"""Webhooks as Twilio sends them, made and signed ahead: that takes a load generator longer than to send one."""

import hmac
import os
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlencode
from uuid import uuid4

from benchmarks.contenders.http_client import Connections
from benchmarks.contenders.turns import SAID
from orchestrator.provider_simulator import CallIdentity
from orchestrator.provider_simulator.identity import new_number

FORM = "application/x-www-form-urlencoded"


class WebhookForms:
    """Makes the webhooks of calls to `url`."""

    def __init__(self, server: Connections, url: str) -> None:
        self._server = server
        self._url = url
        self._token = os.environ.get("TWILIO_AUTH_TOKEN", "").encode()

    def voice(self, identity: CallIdentity) -> bytes:
        """Return the webhook that begins the call."""
        return self._signed("/twilio/voice", identity.fields("ringing"))

    def turns(self, identity: CallIdentity, number: int, said: str = SAID) -> list[bytes]:
        """Return the webhooks of its first turns, so many, in which the caller says the same."""
        form = identity.fields("in-progress", {"SpeechResult": said, "Confidence": "0.91234565"})
        return [self._signed(f"/twilio/turn/{turn}", form) for turn in range(1, number + 1)]

    def unsent(self, path: str) -> bytes:
        """Return a webhook of the same size for a server that checks nothing."""
        form = new_call().fields("in-progress", {"SpeechResult": SAID, "Confidence": "0.91234565"})
        return self._signed(path, form)

    def _signed(self, path: str, form: Mapping[str, str]) -> bytes:
        text = self._url + path + "".join(name + form[name] for name in sorted(form))
        signature = b64encode(hmac.digest(self._token, text.encode(), "sha1")).decode()
        return self._server.request(path, urlencode(form).encode(), FORM, {"X-Twilio-Signature": signature})


def new_call() -> CallIdentity:
    """Return a call that nobody knows yet."""
    return CallIdentity(call_sid=f"CA{uuid4().hex}", from_number=new_number())
