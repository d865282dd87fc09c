"""How much work a regular expression is: a matcher that backtracks as `re` does and counts its steps.

Counted steps are the same on every machine, so that growth can be compared where time could not.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from re import _constants as codes  # isort: skip
from re import _parser as parser  # type: ignore[attr-defined]  # isort: skip

UNBOUNDED = 1000
"""A repeat that may go on for longer than this counts as one without a bound."""
MOST_SAMPLES = 6

Continue = Callable[[int], bool]
Matcher = Callable[[int, Continue], bool]


class TooMuchWork(Exception):
    """The matcher was stopped: the pattern explodes."""


def worst_cases(pattern: re.Pattern[str]) -> Iterator[tuple[str, str, str]]:
    """Return texts that may make the pattern work hard: what stands first, what is repeated, and what ends it."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    if not _goes_on(tree):
        return
    characters = set(_characters(tree))
    words = sorted(filter(_is_word, characters))[:MOST_SAMPLES]
    pairs = {word + other for word in words[-2:] for other in characters if not _is_word(other)}
    pumps = characters | pairs | set(_pumps(tree)) | set(_leads(tree)) | {"a", " "}
    whole = _samples(tree)[:2]
    for pump in sorted(filter(None, pumps)):
        for first in dict.fromkeys(["", *_leads(tree)]):
            for last in dict.fromkeys(["", "\0", *whole]):
                yield first, pump, last


class StepCounter:
    """Finds what a pattern finds, step by step."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        tree = parser.parse(pattern.pattern, pattern.flags)
        self._match = self._sequence(list(tree), tree.state.flags)

    def steps(self, text: str, most: int) -> int:
        """Return the steps it takes to find all matches in `text`. Raise `TooMuchWork` beyond `most`."""
        self._text, self._most, self._steps = text, most, 0
        self._groups: dict[int, tuple[int, int]] = {}
        at = 0
        while at <= len(self._text):
            self._end = at
            found = self._match(at, self._accept)
            at = self._end if found and self._end > at else at + 1
        return self._steps

    def _accept(self, at: int) -> bool:
        self._end = at
        return True

    def _step(self) -> None:
        self._steps += 1
        if self._steps > self._most:
            raise TooMuchWork

    def _sequence(self, items: list[Any], flags: int) -> Matcher:
        if not items:
            return lambda at, go_on: go_on(at)
        first, rest = self._item(*items[0], flags), self._sequence(items[1:], flags) if items[1:] else None
        return first if rest is None else lambda at, go_on: first(at, lambda end: rest(end, go_on))

    def _item(self, code: Any, argument: Any, flags: int) -> Matcher:
        if (accepts := _character_test(code, argument, flags)) is not None:
            return self._character(accepts)
        if code is codes.BRANCH:
            return self._branch([self._sequence(list(branch), flags) for branch in argument[1]])
        if code is codes.SUBPATTERN:
            group, added, removed, items = argument
            return self._group(group, self._sequence(list(items), (flags | added) & ~removed))
        if code is codes.ATOMIC_GROUP:
            return self._atomic(self._sequence(list(argument), flags))
        if code in _REPEATS:
            return self._repeat(code, *argument, flags)
        if code is codes.AT:
            return self._position(argument, flags)
        if code in (codes.ASSERT, codes.ASSERT_NOT):
            return self._look(code is codes.ASSERT, *argument, flags)
        if code is codes.GROUPREF:
            return self._reference(argument)
        raise NotImplementedError(f"{code}: teach it to the matcher, or write the pattern without it")

    def _character(self, accepts: Callable[[str], bool]) -> Matcher:
        def match(at: int, go_on: Continue) -> bool:
            self._step()
            return at < len(self._text) and accepts(self._text[at]) and go_on(at + 1)

        return match

    def _branch(self, branches: list[Matcher]) -> Matcher:
        return lambda at, go_on: any(branch(at, go_on) for branch in branches)

    def _group(self, group: int | None, inner: Matcher) -> Matcher:
        def match(at: int, go_on: Continue) -> bool:
            def closed(end: int) -> bool:
                if group is not None:
                    self._groups[group] = at, end
                return go_on(end)

            return inner(at, closed)

        return match

    def _atomic(self, inner: Matcher) -> Matcher:
        def match(at: int, go_on: Continue) -> bool:
            ends: list[int] = []
            return inner(at, lambda end: ends.append(end) is None) and go_on(ends[-1])

        return match

    def _repeat(self, code: Any, least: int, most: int, items: Any, flags: int) -> Matcher:
        most = int(most)
        item = list(items)
        accepts = _character_test(*item[0], flags) if len(item) == 1 else None
        if accepts is not None and code is not codes.MIN_REPEAT:
            return self._run(accepts, least, most, gives_back=code is codes.MAX_REPEAT)
        inner = self._sequence(item, flags)
        repeat = self._lazy(inner, least, most) if code is codes.MIN_REPEAT else self._greedy(inner, least, most)
        return self._atomic(repeat) if code is codes.POSSESSIVE_REPEAT else repeat

    def _run(self, accepts: Callable[[str], bool], least: int, most: int, *, gives_back: bool) -> Matcher:
        def match(at: int, go_on: Continue) -> bool:
            end = at
            while end < len(self._text) and end - at < most and accepts(self._text[end]):
                self._step()
                end += 1
            for stop in range(end, at + least - 1, -1):
                self._step()
                if go_on(stop):
                    return True
                if not gives_back:
                    return False
            return False

        return match

    def _greedy(self, inner: Matcher, least: int, most: int) -> Matcher:
        def match(at: int, go_on: Continue, count: int = 0) -> bool:
            self._step()
            again = count < most and inner(at, lambda end: end > at and match(end, go_on, count + 1))
            return again or (count >= least and go_on(at)) or (count < least and inner(at, lambda end: go_on(end)))

        return match

    def _lazy(self, inner: Matcher, least: int, most: int) -> Matcher:
        def match(at: int, go_on: Continue, count: int = 0) -> bool:
            self._step()
            if count >= least and go_on(at):
                return True
            return count < most and inner(at, lambda end: end > at and match(end, go_on, count + 1))

        return match

    def _position(self, where: Any, flags: int) -> Matcher:
        def match(at: int, go_on: Continue) -> bool:
            self._step()
            return self._is_at(where, at, bool(flags & re.MULTILINE)) and go_on(at)

        return match

    def _is_at(self, where: Any, at: int, by_line: bool) -> bool:
        text = self._text
        if where in (codes.AT_BOUNDARY, codes.AT_NON_BOUNDARY):
            sides = [0 <= i < len(text) and _is_word(text[i]) for i in (at - 1, at)]
            return (sides[0] != sides[1]) is (where is codes.AT_BOUNDARY)
        if where in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
            return at == 0 or (by_line and where is codes.AT_BEGINNING and text[at - 1] == "\n")
        if where is codes.AT_END_STRING:
            return at == len(text)
        return at == len(text) or (text[at] == "\n" and (by_line or at == len(text) - 1))

    def _look(self, is_wanted: bool, direction: int, items: Any, flags: int) -> Matcher:
        inner, width = self._sequence(list(items), flags), items.getwidth()[0] if direction < 0 else 0

        def match(at: int, go_on: Continue) -> bool:
            self._step()
            return (at >= width and inner(at - width, lambda end: True)) is is_wanted and go_on(at)

        return match

    def _reference(self, group: int) -> Matcher:
        def match(at: int, go_on: Continue) -> bool:
            start, end = self._groups.get(group, (0, -1))
            self._steps += max(end - start, 1)
            return end >= start and self._text.startswith(self._text[start:end], at) and go_on(at + end - start)

        return match


def _character_test(code: Any, argument: Any, flags: int) -> Callable[[str], bool] | None:
    """Return what tells whether an item that is one character accepts it; None for other items."""
    if code is codes.ANY:
        return (lambda c: True) if flags & re.DOTALL else (lambda c: c != "\n")
    if code in (codes.LITERAL, codes.NOT_LITERAL):
        wanted = {chr(argument)} | ({chr(argument).swapcase()} if flags & re.IGNORECASE else set())
        return lambda c: (c in wanted) is (code is codes.LITERAL)
    if code is codes.IN:
        return _set_test(argument, flags)
    return None


def _set_test(items: list[Any], flags: int) -> Callable[[str], bool]:
    negated = items[0][0] is codes.NEGATE

    def is_in(c: str) -> bool:
        return any(
            c == chr(a) if code is codes.LITERAL
            else chr(a[0]) <= c <= chr(a[1]) if code is codes.RANGE
            else code is codes.CATEGORY and _is_of(a, c)
            for code, a in items
        )  # fmt: skip

    if flags & re.IGNORECASE:
        return lambda c: (is_in(c) or is_in(c.swapcase())) is not negated
    return lambda c: is_in(c) is not negated


def _is_of(category: Any, c: str) -> bool:
    kind, is_negated = str(category).rpartition("_")[2], "_NOT_" in str(category)
    tests: dict[str, Callable[[str], bool]] = {"DIGIT": str.isdecimal, "SPACE": str.isspace, "WORD": _is_word}
    return tests[kind](c) is not is_negated


def _is_word(c: str) -> bool:
    return c.isalnum() or c == "_"


def _goes_on(tree: Iterable[Any]) -> bool:
    """Whether some part has no bound; without one the work at each character has one."""
    return any(
        (code in _REPEATS and int(argument[1]) > UNBOUNDED) or any(map(_goes_on, _children(code, argument)))
        for code, argument in tree
    )


_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


def _children(code: Any, argument: Any) -> list[Any]:
    if code is codes.BRANCH:
        return list(argument[1])
    if code is codes.SUBPATTERN:
        return [argument[3]]
    if code is codes.ATOMIC_GROUP:
        return [argument]
    if code in _REPEATS:
        return [argument[2]]
    return [argument[1]] if code in (codes.ASSERT, codes.ASSERT_NOT) else []


def _characters(tree: Iterable[Any]) -> Iterator[str]:
    """Every character that some item of the pattern may want: a few of each set."""
    for code, argument in tree:
        yield from _of_character(code, argument)
        for child in _children(code, argument):
            yield from _characters(child)


def _of_character(code: Any, argument: Any) -> list[str]:
    if code is codes.LITERAL:
        return [chr(argument)]
    if code is codes.ANY or code is codes.NOT_LITERAL:
        return ["a", " "]
    if code is not codes.IN:
        return []
    accepts = _set_test(argument, 0)
    named = [chr(a) if code is codes.LITERAL else chr(a[0]) for code, a in argument if code in _NAMED]
    return [c for c in (*named, "a", "0", " ", "-", "\n", "A") if accepts(c)][:MOST_SAMPLES]


_NAMED = (codes.LITERAL, codes.RANGE)


def _samples(tree: Iterable[Any]) -> list[str]:
    """Some texts that match, or nearly."""
    texts = [""]
    for code, argument in tree:
        if code in _REPEATS:
            options = [sample * max(int(argument[0]), 1) for sample in _samples(argument[2])[:2]]
        elif code in (codes.AT, codes.ASSERT_NOT, codes.GROUPREF):
            continue
        elif children := _children(code, argument):
            if code is codes.ASSERT and argument[0] < 0:
                continue
            options = list(chain.from_iterable(_samples(child)[:2] for child in children))[:MOST_SAMPLES]
        else:
            options = _of_character(code, argument)[:2]
        texts = [text + option for text in texts for option in options][:MOST_SAMPLES] or texts
    return texts


def _pumps(tree: Iterable[Any]) -> Iterator[str]:
    """Parts of what matches: the few items that end with one that has no bound."""
    items = list(tree)
    for end, (code, argument) in enumerate(items, 1):
        if code in _REPEATS and int(argument[1]) > UNBOUNDED:
            for start in range(max(end - 6, 0), end):
                yield from _samples(items[start:end])[:2]
    for code, argument in items:
        for child in _children(code, argument):
            yield from _pumps(child)


def _leads(tree: Iterable[Any]) -> Iterator[str]:
    """What matches up to a repeat that has no bound."""
    items = list(tree)
    for number, (code, argument) in enumerate(items):
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT) and int(argument[1]) > UNBOUNDED:
            yield from _samples(items[:number])[:2]
