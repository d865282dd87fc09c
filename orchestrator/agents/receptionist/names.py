"""Reads names as people say and spell them."""

import re
from itertools import islice

from orchestrator.agents.receptionist.spelling import spelled_name

MAX_NAME_WORDS = 6
MOST_INTRODUCTIONS = 5
LONGEST_NAME = 150
"""How many characters after "my name is" are read."""
_TITLES = {
    "mr": "Mr.", "mister": "Mr.", "mrs": "Mrs.", "missus": "Mrs.", "ms": "Ms.", "miss": "Miss", "dr": "Dr.",
    "doctor": "Dr.",
    "prof": "Prof.", "professor": "Prof.", "sir": "Sir", "madam": "Madam", "reverend": "Rev.", "rev": "Rev.",
    "father": "Father", "sister": "Sister", "mx": "Mx.",
}  # fmt: skip
_PARTICLES = frozenset(
    (
        "van",
        "der",
        "den",
        "de",
        "la",
        "las",
        "los",
        "del",
        "von",
        "zu",
        "da",
        "di",
        "du",
        "dos",
        "bin",
        "ibn",
        "al",
        "ter",
        "ten",
        "y",
        "e",
        "af",
        "av",
    )
)
_INTRODUCED = re.compile(
    r"\b(?:my (?:full |first |last )?name is|my name's|the name is|the name's|name to|name is|call me|this is"
    r"|(?:i'm|i am) called|i am|i'm|it's|it is|that's)"
    r"\s(?:spelled |spelt )?",
    re.IGNORECASE,
)
_WEAK = ("this is", "i am", "i'm", "it's", "it is", "that's")
_ANSWERS = ("no,", "no.", "sorry,", "sorry.", "actually,", "actually")
_FOLLOWED = ("speaking", "here")
_LEADS = frozenset(
    [
        "um",
        "uh",
        "er",
        "yes",
        "yeah",
        "sure",
        "hi",
        "hello",
        "hey",
        "well",
        "okay",
        "ok",
        "oh",
        "and",
        "so",
        "right",
        "of",
        "course",
        "please",
        "good",
        "morning",
        "afternoon",
        "evening",
    ]
)
_ALONE = ("May", "Will")
"""Names that are other words too. They count as names if nothing else was said."""
MOST_WORDS = 200
_SAID_HYPHEN = re.compile(r" (?:hyphen|dash) ", re.IGNORECASE)
_SAID_COMMA = re.compile(r" comma ", re.IGNORECASE)
_SPELLING_REMARK = re.compile(r",? (?:with|without) (?:an?|one|two|double) [a-z](?:'?s)?(?= |$|[.,!?])", re.IGNORECASE)
_FIRST = re.compile(r"\b(?:first|given) name(?: is|'s)? ([^\W\d_][\w'-]{0,40})", re.IGNORECASE)
_LAST = re.compile(r"\b(?:last name|family name|surname)(?: is|'s)? ([^\W\d_][\w'-]{0,40})", re.IGNORECASE)
_REFUSED_FIRST = re.compile(r"^not [\w'-]{1,40}(?: [\w'-]{1,40})?, (?:but )?|^not [\w'-]{1,40} but ", re.IGNORECASE)
_REFUSED_LAST = re.compile(r",? not [\w'-]{1,40}[.!]?$", re.IGNORECASE)
_PIECE = re.compile(r"[^\W\d_][\w'-]*|[^\s\w]|\d+")
_NO_NAME_WORDS = """
    a about after afraid again an and any appointment are at back bad book booking but bye calling
    can can't cannot change check check-up checkup could currently do don't double fine
    for from gonna got great happy have having hello here hey hi how i i'd i'll i'm i've in
    interested is it it's just later like looking me monday morning my name need nine no nope
    none not nothing number of ok okay on one or phone please pretty problem ready reason really
    running second sick so some somebody someone sorry still sure terrible thank thanks that that's the there third
    this three time to today tomorrow trying tuesday two urgent very wait want was we wednesday
    what when where who why with would yeah yes yep you your thursday friday saturday sunday zero four five six
    seven eight ten eleven twelve oh um uh er hm hmm mhm ah huh hurting feeling working wondering planning going hoping
    only also too quite all right alright correct wrong know think mean guess shut up stop speak talk person human
    tired lost late busy confused angry upset glad unwell ill old done finished hungry serious home
    operator repeat pardon excuse spelled spelt spell capital dunno whatever anything something cancel pain emergency
"""
_NO_NAME = frozenset(_NO_NAME_WORDS.split())
_SOMETIMES_NAMES_WORDS = """
    will may good day first last best long new now wait early
"""
_SOMETIMES_NAMES = frozenset(_SOMETIMES_NAMES_WORDS.split())
"""Words that are names only if they are written like one, next to another name: "Will Smith", not "will you"."""
_COURTESIES = frozenset(["thanks", "thank", "you", "please", "sir", "madam", "that", "is", "that's", "it", "all"])
_NEW_SENTENCE = frozenset(["my", "i", "i'm", "i'd", "i've", "it's", "you", "can", "could", "the", "we", "please"])
_CORRECTIONS = (
    "no wait",
    "no sorry",
    "i mean",
    "scratch that",
    "or rather",
    "make that",
    "correction",
    "actually",
    "sorry",
    "no",
)


def name_in(text: str, *, is_expected: bool) -> str | None:
    """Return the caller's name: after an introduction, or all of a short answer to the question for it."""
    text = _tidied(text)
    if is_expected and text.rstrip(".!") in _ALONE:
        return text.rstrip(".!")
    if (both := _first_and_last(text)) is not None:
        return both
    if (spelled := spelled_name(text)) and (is_expected or _INTRODUCED.search(text)):
        return _written(spelled.split())
    introduced = _introduced(text, is_expected=is_expected)
    if introduced is not None or not is_expected:
        return introduced
    return _name_of(_corrected(_without_lead(text)[:LONGEST_NAME]), is_whole=True)


def _tidied(text: str) -> str:
    """Return `text` with marks instead of spoken ones ("hyphen"), and without remarks on its spelling."""
    text = " ".join(text.replace("’", "'").split()[:MOST_WORDS])
    text = _SAID_COMMA.sub(", ", _SAID_HYPHEN.sub("-", text))
    return _SPELLING_REMARK.sub("", text)


def _first_and_last(text: str) -> str | None:
    """Return the name of "first name John, last name Smith", in either order."""
    first, last = _FIRST.search(text), _LAST.search(text)
    if first is None or last is None or {first[1].lower(), last[1].lower()} & _NO_NAME:
        return None
    return _written([first[1], last[1]])


def _introduced(text: str, *, is_expected: bool) -> str | None:
    words = text.rstrip(" .!?").split()
    for followed in _FOLLOWED:
        if followed in (word.lower().strip(",.!") for word in words[1:6]):
            return _name_of(_without_lead(re.split(r"\b(?:speaking|here)\b", text)[0]), is_whole=True)
    for found in islice(_INTRODUCED.finditer(text), MOST_INTRODUCTIONS):
        is_weak = found[0].strip().lower() in _WEAK
        name = _name_of(_corrected(text[found.end() : found.end() + LONGEST_NAME]))
        if name and (is_expected or not is_weak or text[found.end() : found.end() + 1].isupper()):
            return name  # "I'm tired" is not a name: recognisers write names with capitals
    return None


def _without_lead(text: str) -> str:
    words = text.split()
    while words and (words[0].lower().strip(",.!?") in _LEADS or words[0].lower() in _ANSWERS):
        words = words[1:]
    return " ".join(words)


def _corrected(text: str) -> str:
    """Return what follows the last correction: "John, no, Joan"."""
    text = _REFUSED_LAST.sub("", _REFUSED_FIRST.sub("", text))
    words = text.split()
    plain = [word.lower().strip(",.!?") for word in words]
    for at in range(len(words) - 1, 0, -1):
        for marker in _CORRECTIONS:
            size = len(marker.split())
            if " ".join(plain[at : at + size]) == marker and at + size < len(words):
                rest = " ".join(words[at + size :])
                found = _INTRODUCED.match(rest)
                return rest[found.end() :] if found else rest
    return text


def _name_of(text: str, *, is_whole: bool = False) -> str | None:
    words = _PIECE.findall(text.rstrip(" .!?"))
    title, names = "", list[str]()
    for number, word in enumerate(words):
        if word.lower() in _TITLES and not names:
            title = _TITLES[word.lower()]
        elif word == "." and (title or len(words[number - 1]) == 1 or words[number - 1].lower() in ("st", "jr", "sr")):
            continue  # "Mr. Smith", "John F. Kennedy"
        elif word == "," and len(words) == number + 2 and len(names) == 1 and _is_first_name(words, number + 1):
            return _written([words[number + 1], names[0]])  # "Smith, John"
        elif word in ",." and not set(names).isdisjoint(words[number:]):
            names = []  # "John, John Smith"
        elif not word[0].isalpha() or _is_no_name(words, number):
            if is_whole and word != "." and not (names and _is_courtesy(words[number:])):
                return None
            break
        else:
            names.append(word)
    if not 0 < len(names) <= MAX_NAME_WORDS:
        return None
    return _written(names) if len(names) > 1 or not title else f"{title} {_written(names)}"


def _is_courtesy(words: list[str]) -> bool:
    """True if the words after a name are not part of it, and no reason to doubt it."""
    plain = [word.lower() for word in words if word not in ",."]
    if plain[:1] in (["and"], ["from"], ["but"]) and len(plain) > 1:
        return plain[0] == "from" or plain[1] in _NEW_SENTENCE
    return set(plain) <= _COURTESIES or (plain[0] in _NEW_SENTENCE and words[0] in ",.") or plain[0] == "the"


def _is_first_name(words: list[str], number: int) -> bool:
    return words[number][:1].isupper() and not _is_no_name(words, number) and words[number].lower() not in _TITLES


def _is_no_name(words: list[str], number: int) -> bool:
    word = words[number].lower()
    if word in _SOMETIMES_NAMES:
        beside = [w for w in words[max(number - 1, 0) : number + 2] if w != words[number]]
        return not (words[number][0].isupper() and any(w[0].isupper() and w.lower() not in _NO_NAME for w in beside))
    return word in _NO_NAME


def _written(words: list[str]) -> str:
    return " ".join(
        word.lower() if at and word.lower() in _PARTICLES else word[0].upper() + word[1:]
        for at, word in enumerate(words)
    )
