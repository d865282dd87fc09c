"""Our TwiML in a provider's dialect: its own routes, its own attributes."""

from urllib.parse import urlsplit
from xml.etree import ElementTree

from web.providers.dialect import Dialect
from web.twilio.relay.tickets import TICKET

OURS = "/twilio/"
RELAY = OURS + "relay"


def translated(xml: str, dialect: Dialect, *, base_url: str) -> str:
    """The document for `dialect`. Whatever leads back here stays under the provider's prefix.

    `base_url` is where the provider reaches this server. The ticket of a relay's session stands in the socket's
    address, too: these providers do not sign it, and it is to be refused before it is accepted.
    """
    root = ElementTree.fromstring(xml)  # our own document
    ticket = next((p.get("value", "") for p in root.iter("Parameter") if p.get("name") == TICKET), "")
    for element in root.iter():
        dialect.adapt(element)
        for name in ("action", "url"):
            if (address := element.get(name)) is not None:
                element.set(name, _moved(address, dialect, base_url, ticket))
        if element.tag == "Redirect" and element.text:
            element.text = _moved(element.text, dialect, base_url, ticket)
    return '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root, encoding="unicode")


def _moved(address: str, dialect: Dialect, base_url: str, ticket: str) -> str:
    if address.startswith(OURS):
        moved = dialect.prefix + address.removeprefix(OURS)
        return base_url + moved if dialect.wants_absolute_urls else moved
    parts = urlsplit(address)
    if parts.scheme in ("ws", "wss") and parts.path.endswith(RELAY):
        path = f"{parts.path.removesuffix(RELAY)}{dialect.prefix}relay/{ticket}"
        return parts._replace(path=path).geturl()
    return address
