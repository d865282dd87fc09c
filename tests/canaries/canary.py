"""Canaries: secrets that are planted, each one unlike anything else, so that wherever one is found, it was let out."""

import base64
import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal["words", "numbers"]
Form = Literal["letters", "digits", "number"]
MARK = "zqxj"
"""Begins every word, and ends it backwards: no other text has it, so what lacks it is not searched word by word."""
LETTERS = 18
PART = 10
"""Characters at either end that count as the secret: what is cut off within it tells most of it."""
BETWEEN_DIGITS = b" .,()-"
_DIGITS = re.compile(rb"[0-9a-f]{10,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{10,}")


@dataclass(frozen=True, slots=True)
class Canary:
    """One secret. `name` says where it is planted: the channel, the way, and whether it is sensitive there."""

    name: str
    kind: Kind
    is_sensitive: bool
    text: str

    @property
    def core(self) -> bytes:
        """What it is known by: its letters or digits."""
        return self.text.removeprefix("+").encode()


def new_text(form: Form, rng: Random) -> str:
    """A text that nobody would say by chance."""
    if form == "letters":
        return MARK + "".join(rng.choices(string.ascii_lowercase, k=LETTERS - 2 * len(MARK))) + MARK[::-1]
    if form == "digits":
        return "47" + "".join(rng.choices(string.digits, k=14))
    return "+1555" + "".join(rng.choices("2346789", k=7))


class Search:
    """Looks for canaries in whatever it is given, in every spelling that a program gives to a text."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        canaries = list(canaries)
        words = [each for each in canaries if each.text.startswith(MARK)]
        self._words = [(each, _spellings(each)) for each in words]
        self._digits = [(each, _spellings(each)) for each in canaries if each not in words]
        self._marks = list(_of_mark())

    def found_in(self, content: bytes) -> set[Canary]:
        """The canaries in `content`."""
        lower = content.lower()
        joined = lower.translate(None, BETWEEN_DIGITS)
        found: set[Canary] = set()
        if any(mark in each for mark in self._marks for each in (lower, joined, content)):
            found = _found(self._words, lower + b"\n" + joined, content)
        digits = b"\n".join((*_DIGITS.findall(joined), *_DIGITS.findall(lower)))  # what can hold any, of a large file
        return found | _found(self._digits, digits, b"\n".join(_BASE64.findall(content)))


def _found(candidates: Iterable[tuple[Canary, "Spellings"]], text: bytes, encoded: bytes) -> set[Canary]:
    return {
        canary
        for canary, (written, in_base64) in candidates
        if any(each in text for each in written) or any(each in encoded for each in in_base64)
    }


Spellings = tuple[Sequence[bytes], Sequence[bytes]]


def _spellings(canary: Canary) -> Spellings:
    """As it is written, backwards, in hexadecimal, and either end of it; and in base64.

    Of a telephone number only the whole counts: a masked one shows both of its ends.
    """
    core = canary.core
    ends = () if canary.text.startswith("+") else (core[:PART], core[-PART:])
    return (core, core[::-1], core.hex().encode(), *ends), list(_base64(core))


def _of_mark() -> Iterable[bytes]:
    """One of these is in every text with a word."""
    for mark in (MARK.encode(), MARK[::-1].encode()):
        yield from (mark, mark.hex().encode(), *(each[:4] for each in _base64(mark + mark)))


def _base64(core: bytes) -> Iterable[bytes]:
    """In base64, wherever in the encoded text it begins: without what the bytes before and behind it change."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + core)
        yield encoded[(0, 2, 3)[offset] : len(encoded) // 4 * 4 - 4]
