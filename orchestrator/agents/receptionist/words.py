"""Splits what callers say into words and marks, and reads the numbers among them."""

import re
from typing import NamedTuple

_WORD = re.compile(r"\d+|[^\W\d_]+(?:'[^\W\d_]+)?|[,.;:?!/-]")
_CLOCK_MARKS = (
    ("a.m.", "am"), ("p.m.", "pm"), ("a. m.", "am"), ("p. m.", "pm"), ("o'clock", "oclock"), ("o clock", "oclock"),
)  # fmt: skip
ENDS = frozenset(",.;:?!")
_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_NUMBERS = {word: n for n, word in enumerate(f"{_UNITS} seventeen eighteen nineteen".split())}
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
_ORDINAL_WORDS = """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
    sixteenth seventeenth eighteenth nineteenth twentieth
"""
_ORDINALS = {word: n for n, word in enumerate(_ORDINAL_WORDS.split(), 1)} | {"thirtieth": 30}
_SUFFIXES = ("st", "nd", "rd", "th")


class Number(NamedTuple):
    """A number among the words. `end` is the index of the word after it."""

    value: int
    end: int
    is_ordinal: bool


def words_of(text: str) -> list[str]:
    """Return the words of `text` in lower case, and the marks between them."""
    text = text.lower().replace("’", "'").replace("\u202f", " ")
    for written, word in _CLOCK_MARKS:
        text = text.replace(written, word)
    return _WORD.findall(text)


def word_at(words: list[str], at: int) -> str:
    """Return the word at `at`; "" beyond both ends."""
    return words[at] if 0 <= at < len(words) else ""


def number_at(words: list[str], at: int) -> Number | None:
    """Return the number up to 59 that begins at `at`, in digits or words: "24", "24th", "twenty-fourth"."""
    word = word_at(words, at)
    if word.isdecimal():
        if len(word) > 2:
            return None
        is_ordinal = word_at(words, at + 1) in _SUFFIXES
        return Number(int(word), at + 1 + is_ordinal, is_ordinal)
    if word in _ORDINALS:
        return Number(_ORDINALS[word], at + 1, True)
    if word in _TENS:
        return _compound(words, at)
    return Number(_NUMBERS[word], at + 1, False) if word in _NUMBERS else None


def _compound(words: list[str], at: int) -> Number:
    tens, following = _TENS[words[at]], at + 1 + (word_at(words, at + 1) == "-")
    unit = word_at(words, following)
    if 0 < _NUMBERS.get(unit, 0) < 10:
        return Number(tens + _NUMBERS[unit], following + 1, False)
    if _ORDINALS.get(unit, 10) < 10:
        return Number(tens + _ORDINALS[unit], following + 1, True)
    return Number(tens, at + 1, False)
