"""The addresses in a document: what leads back here, and how it is written for who reads it."""

from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

ATTRIBUTES = ("action", "url", "statusCallback", "recordingStatusCallback")
OURS = "/twilio/"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def rewrite_urls(root: Element, written: Callable[[str], str]) -> None:
    """Write every address in the document as `written` does."""
    for element in root.iter():
        for name in ATTRIBUTES:
            if (address := element.get(name)) is not None:
                element.set(name, written(address))
        if element.tag == "Redirect" and element.text:
            element.text = written(element.text)


def xml_of(root: Element) -> str:
    """The document as text."""
    return _DECLARATION + ElementTree.tostring(root, encoding="unicode")


def with_base_path(xml: str, base_path: str) -> str:
    """Our own document, with `base_path` before every path that leads back here."""
    if not base_path:
        return xml
    root = ElementTree.fromstring(xml)
    rewrite_urls(root, lambda address: base_path + address if address.startswith(OURS) else address)
    return xml_of(root)
