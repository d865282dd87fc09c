"""`Dialect`: what differs from Twilio, in one provider."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from xml.etree.ElementTree import Element

from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request

from orchestrator.settings import Settings

PublicUrl = Callable[[HTTPConnection], str]
"""The URL that the provider asked for."""


class SignatureCheck(Protocol):
    """Tells the provider's webhooks from others."""

    def check_open(self, connection: HTTPConnection) -> None:
        """Return if the provider's routes are open: its key is set, or the settings let this machine do without."""

    def check(self, request: Request, form: FormData, body: bytes) -> None:
        """Return if the webhook is genuine, else answer 403. `body` is `form`, as it was sent."""


@dataclass(frozen=True)
class Dialect:
    """One provider.

    `signature_check` builds its signature check, `adapt` changes one element of our TwiML into what the provider knows.
    `needs_absolute_urls`: relative addresses in a document mean nothing to it. `sends_json`: as well as forms.
    """

    name: str
    signature_check: Callable[[Settings, PublicUrl], SignatureCheck]
    adapt: Callable[[Element], None] = lambda element: None
    needs_absolute_urls: bool = False
    sends_json: bool = False

    @property
    def prefix(self) -> str:
        """Where its routes begin."""
        return f"/{self.name}/"
