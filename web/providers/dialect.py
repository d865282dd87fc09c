"""`Dialect`: in what one provider differs from Twilio."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from xml.etree.ElementTree import Element

from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request

from orchestrator.settings import Settings

PublicUrl = Callable[[HTTPConnection], str]
"""Returns the URL that the provider requested."""


class SignatureCheck(Protocol):
    """Checks that a webhook comes from the provider."""

    def check_open(self, connection: HTTPConnection) -> None:
        """Return if the provider's key is set, or this machine needs none; else answer 403."""

    def check(self, request: Request, form: FormData, body: bytes) -> None:
        """Return if the signature of the webhook is right, else answer 403. `body` is `form` as it was sent."""


@dataclass(frozen=True)
class Dialect:
    """One provider.

    `signature_check` makes its signature check. `adapt` changes one element of our TwiML to what the provider supports.
    `needs_absolute_urls`: it does not resolve relative URLs in a document. `sends_json`: as well as forms.
    """

    name: str
    signature_check: Callable[[Settings, PublicUrl], SignatureCheck]
    adapt: Callable[[Element], None] = lambda element: None
    needs_absolute_urls: bool = False
    sends_json: bool = False

    @property
    def prefix(self) -> str:
        """The prefix of its routes."""
        return f"/{self.name}/"
