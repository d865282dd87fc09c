"""The URLs in a TwiML document, most of which lead back to this deployment."""

from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

ATTRIBUTES = ("action", "url", "statusCallback", "recordingStatusCallback")
OURS = "/twilio/"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def rewrite_urls(root: Element, rewritten: Callable[[str], str]) -> None:
    """Replace every URL in the document by what `rewritten` returns for it."""
    for element in root.iter():
        for name in ATTRIBUTES:
            if (url := element.get(name)) is not None:
                element.set(name, rewritten(url))
        if element.tag == "Redirect" and element.text:
            element.text = rewritten(element.text)


def xml_of(root: Element) -> str:
    """Return the document as text."""
    return _DECLARATION + ElementTree.tostring(root, encoding="unicode")


def with_base_path(xml: str, base_path: str) -> str:
    """Return our own document with `base_path` in front of every path that leads back here."""
    if not base_path:
        return xml
    root = ElementTree.fromstring(xml)
    rewrite_urls(root, lambda url: base_path + url if url.startswith(OURS) else url)
    return xml_of(root)
