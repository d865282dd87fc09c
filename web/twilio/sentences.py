"""Long texts, cut where a speaker would pause."""

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape

SAY_CHARACTERS = 4000
"""The provider reads at most 4,096 characters of one `<Say>`."""
TEXT_BYTES = 48 * 1024
"""The text's share of the 64 kB that the provider takes for a whole answer."""

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SENTENCE = re.compile(r".+?(?:[.!?…。！？]+[\"')\]]*(?=\s|$)|[。！？]|\n|$)\s*", re.DOTALL)


def printable(text: str) -> str:
    """The text without the characters that XML 1.0 forbids."""
    return _FORBIDDEN.sub("", text)


def pieces(text: str, *, limit_bytes: int = TEXT_BYTES) -> tuple[list[str], bool]:
    """The text in pieces that the provider can say, and whether its end had to be cut off.

    `limit_bytes` bounds all pieces together, as they are escaped in XML.
    """
    said: list[str] = [""]
    for sentence in _sentences(printable(text).strip()):
        limit_bytes -= len(escape(sentence).encode())
        if limit_bytes < 0:
            return [piece.strip() for piece in said if piece.strip()], True
        if len(said[-1]) + len(sentence) > SAY_CHARACTERS:
            said.append("")
        said[-1] += sentence
    return [piece.strip() for piece in said if piece.strip()], False


def _sentences(text: str) -> Iterator[str]:
    for match in _SENTENCE.finditer(text):
        yield from _bounded(match.group())


def _bounded(sentence: str) -> Iterator[str]:
    while len(sentence) > SAY_CHARACTERS:
        cut = sentence.rfind(" ", 1, SAY_CHARACTERS) + 1 or SAY_CHARACTERS
        yield sentence[:cut]
        sentence = sentence[cut:]
    if sentence:
        yield sentence
