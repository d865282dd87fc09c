"""Splits long texts where a speaker would pause."""

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape

SAY_CHARACTERS = 4000
"""The provider reads at most 4,096 characters of one `<Say>`."""
TEXT_BYTES = 48 * 1024
"""The text's share of the 64 kB that the provider accepts as a whole answer."""

_MOST_ESCAPED_BYTES = len("&amp;")
"""What one character can become, in UTF-8 and escaped."""
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# The pattern reads each run of marks once and does not backtrack, so its time is linear in the length of the text.
_END = re.compile(r"(?:(?<![.!?…。！？])[.!?…。！？]++[\"')\]]*+(?=\s|\Z)|[。！？]|\n)\s*+")


def printable(text: str) -> str:
    """Return the text without the characters that XML 1.0 forbids."""
    return text if text.isprintable() else _FORBIDDEN.sub("", text)


def pieces(text: str, *, limit_bytes: int = TEXT_BYTES) -> tuple[list[str], bool]:
    """Return the text in pieces that the provider can say, and True if its end had to be cut off.

    `limit_bytes` bounds all pieces together, as they are escaped in XML.
    """
    text = printable(text).strip()
    if len(text) <= min(SAY_CHARACTERS, limit_bytes // _MOST_ESCAPED_BYTES):
        return [text] if text else [], False
    said: list[str] = [""]
    for sentence in _sentences(text):
        limit_bytes -= len(escape(sentence).encode())
        if limit_bytes < 0:
            return [piece.strip() for piece in said if piece.strip()], True
        if len(said[-1]) + len(sentence) > SAY_CHARACTERS:
            said.append("")
        said[-1] += sentence
    return [piece.strip() for piece in said if piece.strip()], False


def sentence_ends(text: str) -> Iterator[int]:
    """Yield the positions at which the sentences of `text`, with the blanks after them, end."""
    return (match.end() for match in _END.finditer(text))


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for end in sentence_ends(text):
        yield from _bounded(text, start, end)
        start = end
    yield from _bounded(text, start, len(text))


def _bounded(text: str, start: int, end: int) -> Iterator[str]:
    while end - start > SAY_CHARACTERS:
        cut = text.rfind(" ", start + 1, start + SAY_CHARACTERS) + 1 or start + SAY_CHARACTERS
        yield text[start:cut]
        start = cut
    if start < end:
        yield text[start:end]
