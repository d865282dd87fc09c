"""Reads the days, times and offers that a caller mentions, and whether they want or refuse each."""

from dataclasses import dataclass, field, replace
from typing import Literal

from orchestrator.agents.appointments.wish import HalfDay
from orchestrator.agents.receptionist.clock_times import ClockTime, clock_time_at
from orchestrator.agents.receptionist.dates import DayReader, Days
from orchestrator.agents.receptionist.words import ENDS, number_at, word_at

Named = Days | ClockTime | HalfDay | int
Bound = Literal["", "after", "from", "before", "until"]
_NEGATIONS_WORDS = """
    not no can't cannot cant couldn't don't dont won't wouldn't isn't aren't doesn't doesnt didn't except
    excluding without never neither nor avoid skip besides unable unavailable hate sucks
"""
_NEGATIONS = frozenset(_NEGATIONS_WORDS.split())
_REFUSALS_WORDS = """
    bad impossible difficult busy full out unavailable terrible wrong away working abroad traveling travelling
    occupied holiday vacation
"""
_REFUSALS = frozenset(_REFUSALS_WORDS.split())
_ENGAGEMENTS = frozenset(["work", "meeting", "school", "class", "exam", "wedding", "funeral", "shift"])
_NEW_PHRASES_WORDS = """
    i'd i'll prefer want would let's how what maybe could can is then otherwise
"""
_NEW_PHRASES = frozenset(_NEW_PHRASES_WORDS.split())
_BESIDES = frozenset(
    (("other", "than"), ("rather", "than"), ("instead", "of"), ("apart", "from"), ("aside", "from"), ("better", "than"))
)
_WITHOUT_HARM = frozenset(
    (
        ("don't", "mind"),
        ("don't", "care"),
        ("no", "problem"),
        ("not", "only"),
        ("why", "not"),
        ("can't", "wait"),
        ("not", "a"),
        ("isn't", "a"),
        ("not", "bad"),
        ("isn't", "bad"),
        ("aren't", "bad"),
    )
)
_CORRECTIONS = (
    ("no", "wait"), ("no", "sorry"), ("i", "mean"), ("scratch", "that"), ("make", "that"), ("or", "rather"),
    ("actually",), ("wait",), ("sorry",), ("correction",), ("sorry", "no"), ("no", "no"),
)  # fmt: skip
_OFFERS = ("first", "second", "third")
_COUNTED = frozenset(("week", "weeks", "thing", "half", "quarter", "month", "day", "time"))
"""What an ordinal counts if it does not name an offer: "first thing in the morning", "the third week of May"."""
_SMALL = {"one": 0, "two": 1, "three": 2, "1": 0, "2": 1, "3": 2}
LAST = -1
_TURNED: dict[Bound, Bound] = {"after": "until", "from": "before", "before": "from", "until": "after"}
"""What a refused bound means: "not before Thursday" is from Thursday on."""


@dataclass(frozen=True)
class Mention:
    """Something that the caller named. With `is_refused` they do not want it."""

    named: Named
    is_refused: bool = False
    bound: Bound = ""


@dataclass
class MentionReader:
    """Goes through what was said, word by word. With `is_bare` a number alone may be an hour."""

    words: list[str]
    days: DayReader
    is_bare: bool = False
    mentions: list[Mention] = field(default_factory=list)
    _found: list[tuple[Named, int] | None] = field(default_factory=list)  # what each word begins to name
    _next: list[int] = field(default_factory=list)  # for each word, where something is named next
    _next_end: list[int] = field(default_factory=list)  # for each word, where its clause ends
    _is_short: bool = False
    _negative: bool = False
    _is_spent: bool = False  # the negation has something that it refuses
    _clause: int = 0  # index of the first mention of this clause
    _asked: int = 0  # the same of the clause before, if that was a question
    _ended: int = 0  # where the last mention ended
    _retracted: int = 0  # how many mentions were corrected later

    def read(self) -> list[Mention]:
        """Return all mentions, in order."""
        self._look_ahead()
        at = 0
        while at < len(self.words):
            found = self._found[at]
            if found is None:
                at += self._word(at)
                continue
            named, end = found
            bound = self._bound(at)
            self.mentions.append(Mention(named, self._negative, bound))
            self._is_spent, self._ended = True, end
            at = max(end, at + 1)
        corrected = {_kind(mention) for mention in self.mentions[self._retracted :]}
        kept = [mention for mention in self.mentions[: self._retracted] if _kind(mention) not in corrected]
        return [*kept, *self.mentions[self._retracted :]]

    def _word(self, at: int) -> int:
        """Note how a word changes the mentions before or after it. Return how many words it consists of."""
        word, pair = self.words[at], (self.words[at], word_at(self.words, at + 1))
        if word in ("no", "nope") and word_at(self.words, at + 1) in ENDS and self._goes_on(at + 1):
            self._retract()  # "Tuesday? No, Wednesday": this answers a question, and refuses nothing that follows
            return 2
        for marker in _CORRECTIONS:
            if tuple(self.words[at : at + len(marker)]) == marker and self.mentions and self._goes_on(at + len(marker)):
                self._retract()
                return len(marker)
        if pair in _WITHOUT_HARM:
            return 2
        if pair in _BESIDES or (word == "but" and self._is_exception(at)):
            self._negative, self._is_spent = True, False
            return 2 if pair in _BESIDES else 1
        if word in ("over", "to") and self._is_preferred(at):
            self._negative, self._is_spent = True, False
        elif word in _NEGATIONS or (word in _REFUSALS and self._follows_copula(at)) or self._is_engagement(at):
            self._negate(at)
        elif word in ENDS or word == "but":
            self._end_clause(at)
        elif self._is_spent and word in _NEW_PHRASES:
            self._negative = False
        return 1

    def _negate(self, at: int) -> None:
        is_behind = len(self.mentions) > self._clause and (
            word_at(self.words, at - 1) in ("is", "are", "was", "does", "do", "will", "would")
            or self.words[at] in ("isn't", "aren't", "doesn't", "doesnt", "won't", *_REFUSALS)
            or not self._goes_on(at + 1, within_clause=True)
        )
        if is_behind:
            self._refuse(self._clause)
        elif self.mentions and not self._goes_on(at + 1) and self._asked < self._clause == len(self.mentions):
            self._refuse(self._asked)  # "Monday? I can't"
        else:
            self._negative, self._is_spent = True, False

    def _refuse(self, first: int) -> None:
        self.mentions[first:] = [replace(mention, is_refused=True) for mention in self.mentions[first:]]

    def _end_clause(self, at: int) -> None:
        """End a clause. A comma within a list keeps the negation: "not Monday, Tuesday or Wednesday"."""
        if self.words[at] == "," and self._negative and self._is_spent and self._is_list(at + 1):
            return
        if self._is_spent or self.words[at] != ",":
            self._negative, self._is_spent = False, False
        self._asked = self._clause if self.words[at] == "?" else len(self.mentions)
        self._clause = len(self.mentions)

    def _is_list(self, at: int) -> bool:
        """True if a day or time follows, and then "or" or "and"."""
        found = self._found[min(at, len(self.words))]
        if found is None:
            return False
        return word_at(self.words, found[1]) in ("or", "and", "nor") or (
            word_at(self.words, found[1]) == "," and self._is_list(found[1] + 1)
        )

    def _is_exception(self, at: int) -> bool:
        """True if "but" is that of "any day but Monday"."""
        before = self.words[max(at - 4, 0) : at]
        return bool(set(before) & {"any", "anything", "every", "everything", "all", "anytime", "whenever"})

    def _follows_copula(self, at: int) -> bool:
        if word_at(self.words, at - 1) in ("you", "right", "straight", "the", "your"):
            return False  # "are you working on Tuesday?", "right away"
        return bool(set(self._before(at)) & {"is", "are", "i'm", "am", "be", "looks", "very", "we're"}) or (
            word_at(self.words, at - 1).endswith("'s")
        )

    def _is_engagement(self, at: int) -> bool:
        """True if a word is what the caller has to do instead: "I have work on Tuesday"."""
        return self.words[at] in _ENGAGEMENTS and not {"have", "has", "got", "at", "i've"}.isdisjoint(self._before(at))

    def _is_preferred(self, at: int) -> bool:
        """True if "to" or "over" is that of "I prefer Wednesday to Tuesday"."""
        return len(self.mentions) > self._clause and not {"prefer", "rather", "preferred"}.isdisjoint(
            self.words[max(at - 6, 0) : at]
        )

    def _before(self, at: int) -> list[str]:
        return self.words[max(at - 3, 0) : at]

    def _retract(self) -> None:
        """Let what follows replace the mentions so far, days by days and times by times."""
        self._negative, self._is_spent = False, False
        self._clause = self._retracted = len(self.mentions)

    def _look_ahead(self) -> None:
        """Find everything that is named, once, so that no word has to search all that follow it."""
        size = len(self.words)
        self._is_short = len([word for word in self.words if word not in ENDS and word not in ("the", "please")]) == 1
        for at in range(size):
            found = self._named_at(at)
            self._found.append(found)
            if found is not None and isinstance(found[0], Days):
                self.days = replace(self.days, reference=found[0].last)  # "Tuesday, or the day after"
        self._found.append(None)
        self._next, self._next_end = [size] * (size + 1), [size] * (size + 1)
        for at in range(size - 1, -1, -1):
            is_end = self.words[at] in ENDS or self.words[at] == "but"
            self._next[at] = at if self._found[at] is not None else self._next[at + 1]
            self._next_end[at] = at if is_end else self._next_end[at + 1]

    def _goes_on(self, at: int, *, within_clause: bool = False) -> bool:
        """True if something is named from word `at` on."""
        at = min(at, len(self.words))
        return self._next[at] < (self._next_end[at] if within_clause else len(self.words))

    def _named_at(self, at: int) -> tuple[Named, int] | None:
        if (days := self.days.days_at(self.words, at)) is not None:
            return days, days.end
        if (offer := _offer_at(self.words, at, is_short=self._is_short)) is not None:
            return offer
        if (clock := clock_time_at(self.words, at, is_bare=self.is_bare)) is not None:
            return clock, clock.end
        if self.words[at : at + 2] == ["after", "lunch"]:
            return "afternoon", at + 2
        word = word_at(self.words, at).removesuffix("s")
        if word in ("morning", "afternoon") and word_at(self.words, at - 1) != "good":
            return ("morning" if word == "morning" else "afternoon"), at + 1
        return None

    def _bound(self, at: int) -> Bound:
        """Return which bound this is, if it is one: "after three", "not before Thursday"."""
        before = [word for word in self.words[max(at - 4, 0) : at] if word not in ("the", "on", "at")][-3:]
        last, pair = (before[-1] if before else ""), before[-2:]
        bound: Bound = ""
        if last in ("after", "past", "since") or pair == ["later", "than"]:
            bound = "after"
        elif (last in ("from", "starting") and pair not in (["apart", "from"], ["aside", "from"])) or last == "between":
            bound = "from"
        elif last == "before" or pair == ["earlier", "than"]:
            bound = "before"
        elif last in ("until", "till", "by") or self._ends_span(at):
            bound = "until"
        if bound and self._negative:
            self._negative = False
            return _TURNED[bound]
        return bound

    def _ends_span(self, at: int) -> bool:
        """True if what is named is the end of "between two and four"."""
        joint = at - 1 - (word_at(self.words, at - 1) in ("the", "on"))
        is_joined = word_at(self.words, joint) in ("and", "to", "through", "-") and bool(self.mentions)
        return is_joined and self.mentions[-1].bound == "from" and self._ended == joint


def _kind(mention: Mention) -> str:
    return "day" if isinstance(mention.named, Days | int) else "time"


def _offer_at(words: list[str], at: int, *, is_short: bool) -> tuple[int, int] | None:
    """Return which offer is named, from 0, and the index of the word after it: "the second one", "the last"."""
    word, following = words[at], word_at(words, at + 1)
    behind = at + 1 + (following in ("one", "option", "choice", "slot", "time", "date", "appointment"))
    number = number_at(words, at)
    if number is not None and word_at(words, number.end) in _COUNTED:
        return None
    if number is not None and number.is_ordinal and number.value <= len(_OFFERS):
        return number.value - 1, number.end + (word_at(words, number.end) in ("one", "option"))
    if word in ("number", "option", "choice") and following in _SMALL:
        return _SMALL[following], at + 2
    if word in ("last", "latter") and following not in ("week", "time", "name", "thing"):
        return LAST, behind
    if word == "latest" and word_at(words, at - 1) == "the" and word_at(words, at - 2) != "at":
        return LAST, behind
    if word in ("earliest", "soonest", "former"):
        return 0, behind
    if word == "middle":
        return 1, behind
    if word in _SMALL and is_short:
        return _SMALL[word], at + 1
    return None
