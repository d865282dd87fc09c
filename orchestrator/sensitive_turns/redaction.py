"""Finds in texts what sensitive turns brought, and hides it.

What is looked for, in any case of letters:

| of what was brought | is found |
|---|---|
| digits, four or more in a row or with other words between them | the same digits, whatever separates them |
| three digits in a row | the same three, with no other digit next to them |
| a text of four characters or more | the same text |
| a word with a digit and more, or an @, of four characters or more | the same word |
| two words or more in a row, of eight letters or more | the same words in a row |
| words of four letters or more, if there are no more than three | each of them |

At the end of a text, which may have been cut off, the beginning of what is looked for is found as well.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from orchestrator.conversation.sensitive import HIDDEN

SHORTEST = 4
"""Characters, or digits, by which a text is known."""
LEAST_DIGITS = 3
LEAST_LETTERS_OF_WORDS = 8
FEW_WORDS = 3
WIDEST_SEPARATOR = 3
"""Characters between two digits of one number."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text of which the `spans` (start and end, in order) are hidden."""

    original: str
    spans: tuple[Span, ...]

    @property
    def text(self) -> str:
        """Return the text with `[hidden]` in place of each span."""
        parts, since = [], 0
        for start, end in self.spans:
            parts += [self.original[since:start], HIDDEN]
            since = end
        return "".join(parts) + self.original[since:]

    def place(self, at: int) -> int:
        """Return where the place `at` of the original is in the text; after a span if it is within one."""
        moved = 0
        for start, end in self.spans:
            if at <= start:
                break
            moved += len(HIDDEN) - (min(at, end) - start)
        return at + moved


class Redaction:
    """Hides what `brought` has, wherever it appears. It is false if that is nothing."""

    def __init__(self, brought: Iterable[str]) -> None:
        self._digits: set[str] = set()
        self._three_digits: set[str] = set()
        self._texts: set[str] = set()
        self._pairs: set[tuple[str, str]] = set()
        self._words: set[str] = set()
        self._sentences: list[str] = []
        for text in dict.fromkeys(brought):
            self._add(_lowered(text))

    def __bool__(self) -> bool:
        return bool(self._sentences)

    def text(self, text: str) -> str:
        """Return `text` with `[hidden]` in place of what was brought."""
        return self.redacted(text).text

    def redacted(self, text: str) -> Redacted:
        """Return `text` and what of it is hidden."""
        lowered = _lowered(text)
        found = [*self._numbers(lowered), *self._same_texts(lowered), *self._same_words(lowered)]
        return Redacted(text, tuple(_joined(sorted(found))))

    def value(self, value: Any) -> Any:
        """Return a JSON value in which what was brought is hidden, in every text, name and number."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(name)): self.value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return HIDDEN if self.redacted(str(value)).spans else value
        return value

    def is_in(self, value: Any) -> bool:
        """True if what was brought, or a part of it, is somewhere in a JSON value."""
        if isinstance(value, dict):
            return any(self.is_in(str(name)) or self.is_in(inner) for name, inner in value.items())
        if isinstance(value, list | tuple):
            return any(self.is_in(inner) for inner in value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return False
        text = str(value)
        return bool(self.redacted(text).spans) or self._is_part(text)

    def _is_part(self, text: str) -> bool:
        """True if the words of `text` were brought in a row, or are all that was brought."""
        words = " ".join(word.text for word in _words(_lowered(text)))
        if len(words) < SHORTEST or words.replace(" ", "").isdecimal():
            return len(words) >= LEAST_DIGITS and words in self._sentences
        return any(f" {words} " in f" {sentence} " for sentence in self._sentences)

    def _add(self, text: str) -> None:
        words = [word.text for word in _words(text)]
        if not words:
            return
        self._sentences.append(" ".join(words))
        if len(text.strip()) >= SHORTEST:
            self._texts.add(text.strip())
        numbers = ["".join(digit for digit, _ in chain) for chain in _chains(text)]
        for number in (*numbers, "".join(numbers)):
            if len(number) >= SHORTEST:
                self._digits.add(number)
            elif len(number) == LEAST_DIGITS:
                self._three_digits.add(number)
        self._texts.update(word for word in words if len(word) >= SHORTEST and _is_code(word))
        self._pairs.update(pairwise(words))
        if len(words) <= FEW_WORDS:
            self._words.update(word for word in words if len(word) >= SHORTEST)

    def _numbers(self, text: str) -> Iterator[Span]:
        for chain in _chains(text) if self._digits or self._three_digits else ():
            digits = "".join(digit for digit, _ in chain)
            places = [place for _, place in chain]
            if digits in self._three_digits:
                yield places[0], places[-1] + 1
            for number in self._digits:
                for at in _all_places(digits, number):
                    yield places[at], places[at + len(number) - 1] + 1
            if places[-1] >= len(text) - WIDEST_SEPARATOR - 1 and (begun := _begun(digits, self._digits)):
                yield places[-begun], places[-1] + 1

    def _same_texts(self, text: str) -> Iterator[Span]:
        for wanted in self._texts:
            for at in _all_places(text, wanted):
                yield at, at + len(wanted)
        end = len(text.rstrip())
        if begun := _begun(text[:end], self._texts):
            yield end - begun, end

    def _same_words(self, text: str) -> Iterator[Span]:
        words = list(_words(text))
        yield from ((word.start, word.end) for word in words if word.text in self._words)
        run: list[_Word] = []
        for before, word in pairwise(words):
            if (before.text, word.text) in self._pairs:
                run = [*(run or [before]), word]
                continue
            yield from _span_of(run)
            run = []
        yield from _span_of(run)


def _span_of(run: list[_Word]) -> Iterator[Span]:
    if run and sum(len(word.text) for word in run) >= LEAST_LETTERS_OF_WORDS:
        yield run[0].start, run[-1].end


def _lowered(text: str) -> str:
    """Return `text` in lower case, of the same length."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)


def _words(text: str) -> Iterator[_Word]:
    """Yield what is between blanks, without what is no letter or digit at its ends."""
    end = 0
    for piece in text.split():
        begin = text.index(piece, end)
        end = begin + len(piece)
        inner = [place for place, character in enumerate(piece) if character.isalnum()]
        if inner:
            start, stop = begin + inner[0], begin + inner[-1] + 1
            yield _Word(text[start:stop], start, stop)


def _chains(text: str) -> Iterator[list[tuple[str, int]]]:
    """Yield the numbers in `text`: their digits and where these are. Separators within a number have no letters."""
    chain: list[tuple[str, int]] = []
    for place, character in enumerate(text):
        if character.isdecimal():
            if chain and place - chain[-1][1] > WIDEST_SEPARATOR + 1:
                yield chain
                chain = []
            chain.append((str(unicodedata.decimal(character)), place))
        elif chain and character.isalpha():
            yield chain
            chain = []
    if chain:
        yield chain


def _is_code(word: str) -> bool:
    """True if the word looks like a code or an address. One of digits alone is found as a number."""
    return "@" in word or (not word.isdecimal() and any(character.isdecimal() for character in word))


def _all_places(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + len(wanted))


def _begun(text: str, wanted: Iterable[str]) -> int:
    """Return with how many characters of the beginning of one of `wanted` the text ends, if these are enough."""
    longest = 0
    for one in wanted:
        for length in range(min(len(one) - 1, len(text)), max(longest, SHORTEST - 1), -1):
            if text.endswith(one[:length]):
                longest = length
                break
    return longest


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
