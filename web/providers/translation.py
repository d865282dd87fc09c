"""Translates our TwiML to a provider's dialect: its routes and its attributes."""

from functools import partial
from urllib.parse import urlsplit
from xml.etree import ElementTree

from orchestrator.settings import Settings
from web.providers.dialect import Dialect
from web.twilio.relay.tickets import TICKET_PARAMETER
from web.twilio.twiml_urls import OURS, rewrite_urls, xml_of

RELAY = OURS + "relay"


def translated(xml: str, dialect: Dialect, settings: Settings, *, base_url: str) -> str:
    """Return the document for `dialect`. URLs that lead back here get the provider's prefix.

    `base_url` is where the provider reaches this deployment. The URL of a relay's socket gets the ticket of its
    session: these providers do not sign the upgrade, so that the ticket alone can refuse it.
    """
    root = ElementTree.fromstring(xml)  # our own document
    ticket = next((p.get("value", "") for p in root.iter("Parameter") if p.get("name") == TICKET_PARAMETER), "")
    for element in root.iter():
        dialect.adapt(element)
    base = base_url if dialect.needs_absolute_urls else settings.base_path
    rewrite_urls(root, partial(_moved, dialect=dialect, base=base, ticket=ticket))
    return xml_of(root)


def _moved(url: str, dialect: Dialect, base: str, ticket: str) -> str:
    if url.startswith(OURS):
        return base + dialect.prefix + url.removeprefix(OURS)
    parts = urlsplit(url)
    if parts.scheme in ("ws", "wss") and parts.path.endswith(RELAY):
        path = f"{parts.path.removesuffix(RELAY)}{dialect.prefix}relay/{ticket}"
        return parts._replace(path=path).geturl()
    return url
