"""Thoughts without an opening tag: some chat templates write `<think>` for the model, so that its text lacks it.

Only `</think>` proves that the text before it was thought. So the filter holds back text that begins as such thoughts
do, in the third person about the caller. Once a model has left out the tag, the filter holds back all its replies,
until one shows that it no longer does.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

_INTERJECTIONS = frozenset(("okay", "ok", "alright", "hmm", "hm"))
_CONNECTIVES = frozenset(("so", "well", "now", "then", "first", "hmm", "wait"))
_SPEAKERS = ("caller", "user", "customer", "human")
_VERBS = """
    wants want is asks asked said says needs just would has seems mentioned might wishes called greeted provided gave
    didn't doesn't wanted responded replied told pressed keyed
"""
_PHRASES = (
    *((article, who, verb) for article in ("the", "this") for who in _SPEAKERS for verb in _VERBS.split()),
    *(("the", f"{who}'s", what) for who in _SPEAKERS for what in ("question", "request", "message", "name", "last")),
)  # fmt: skip
_END = "\n"  # the end of a phrase, not a word
_MARKS = ',:;"*_'
LONGEST_OPENING = 120

Opening = Literal["thoughts", "plain", "undecided"]


@dataclass
class UntaggedThoughts:
    """Whether one model's last thoughts came without an opening tag. All replies of the model share this."""

    are_usual: bool = False


def opening_of(text: str, *, final: bool) -> Opening:
    """Return what a reply begins with: thoughts about the caller, or words to them.

    The answer for a longer beginning is the same as for the first one that decides it. A sentence that ends, as in
    "Okay.", is said.
    """
    head = text[:LONGEST_OPENING]
    complete = head.lower().replace("’", "'").split()
    begun = "" if not complete or head[-1].isspace() or (final and head == text) else complete.pop()
    possible = _first_words()
    for word in complete:
        possible = possible.get(word.strip(_MARKS), {}) if word[-1] not in ".!?…" else {}
        if _END in possible:
            return "thoughts"
    is_possible = any(word.startswith(begun.strip(_MARKS)) for word in possible) and begun[-1:] not in set(".!?…")
    return "undecided" if is_possible and not final and len(text) < LONGEST_OPENING else "plain"


@cache
def _first_words() -> dict[str, Any]:
    """Return the words that thoughts may begin with, each with the words that may follow it."""
    phrases: dict[str, Any] = {}
    for phrase in _PHRASES:
        place = phrases
        for word in phrase:
            place = place.setdefault(word, {})
        place[_END] = {}
    after_interjection = {**phrases, **dict.fromkeys(_CONNECTIVES, phrases)}
    return {**phrases, **dict.fromkeys(_INTERJECTIONS, after_interjection)}
