"""What the caller means: intents by pattern, and the answers that a sentence holds."""

import re
from typing import Literal

from orchestrator.agents.receptionist.digits import MIN_DIGITS, spoken_digits
from orchestrator.agents.receptionist.notes import FieldName

Intent = Literal["repeat", "help", "person", "bye", "cancel", "earlier_booking", "message", "change", "booking"]

_PERSON = "(person|human|operator|representative|somebody|someone|colleague|agent|receptionist|manager)"
_NUMBER = r"\bnumber\b|\bphone\b|\bdigits?\b"
_SAID: dict[Intent, str] = {
    "repeat": r"\b(repeat|pardon|say (that|it) again|come again|once more|didn'?t (catch|hear|get) (that|you|it))\b"
    r"|^((sorry|what|excuse me|huh|again|was that|did you say)( |$))+$",
    "help": r"^(help( me)?|i need help)$|\bwhat can you (do|help)\b|\bwho are you\b"
    r"|\bare you (a |an )?(robot|machine|computer|real|bot|human|person|program)\b",
    "person": rf"\b(speak|talk|connect|transfer|put|get|give|want|need|like)\b.{{0,30}}\b{_PERSON}\b"
    rf"|^(no )?(can i have |an? |the )*(real |live )?{_PERSON}( please)?$|\b(operator|human being|real person)\b",
    "bye": r"\b(bye|goodbye|hang up|see you|have a (nice|good) (day|one)|never ?mind|forget it)\b",
    "cancel": r"\bcancel (it|that|this|(my |an |the )?(booking|appointment|visit))\b",
    "earlier_booking": r"\b(reschedule|move) (my |an |the )?(booking|appointment|visit)\b"
    r"|\b(already have an?|existing) (booking|appointment)\b",
    "message": r"\b(leave|take|pass on|have) a message\b|\bcall me back\b",
    "change": r"\b(change|correct) (that|it|this|something"
    r"|(the|my) (name|number|phone|reason|time|day|date|appointment|message|slot))\b|\bgo back\b|^(no )?change$"
    r"|\b(that'?s|is|was|it'?s) (wrong|incorrect|not (quite )?(right|correct))\b"
    r"|^(no )?(wrong|incorrect|not (quite )?(right|correct))\b",
    "booking": r"\b(appointment|book|booking|schedule|see (the|a) (doctor|dentist)|come in|visit)\b",
}
_INTENTS = {intent: re.compile(pattern) for intent, pattern in _SAID.items()}
_CHANGEABLE: dict[FieldName, re.Pattern[str]] = {
    "name": re.compile(r"\bname\b|\bspelled\b"),
    "number": re.compile(_NUMBER),
    "reason": re.compile(r"\breason\b|\bmessage\b"),
    "appointment": re.compile(r"\b(time|day|date|appointment|slot)\b"),
}
_YES = re.compile(
    r"^((oh|um|uh|well|and|the) )*(yes|yeah|yep|yup|ya|correct|right|sure|ok|okay"
    r"|(that|it)('?s| is|'?ll be| will be| would be) (right|correct|it|fine|good|great|perfect|ok|okay|lovely)"
    r"|(that )?works|perfect|exactly|absolutely|certainly|of course|please do|fine|sounds? good|great|lovely|it is"
    r"|go ahead)\b"
)
_NO = re.compile(
    r"^((oh|um|uh|well|and) )*(no|nope|nah|not|nothing|none|never|that'?s all|that is all|that'?s everything"
    r"|i'?m (good|fine|done)|all good|don'?t|wrong|incorrect)\b"
)
_QUESTION = re.compile(
    r"^((hi|hello|hey|um|uh|well|so|ok|okay) )*(are|is|do|does|did|how|what|when|where|which|who|why)\b"
    r"(?!.{0,200}\b(free|available|slots?|openings?)\b)"
)
_WHAT_WAS = re.compile(r"^((sorry|and|oh|um|uh|wait|so) )*(what|which|when)\b.{0,80}\b(was|is|were|did|again)\b")
_DOUBT = re.compile(r"\bwhy\b|\bwhat\b.{0,80}\bfor\b|\b(don'?t|won'?t|rather not|do i (have|need) to)\b")
_GREETING = re.compile(r"^((hi|hello|hey|good (morning|afternoon|evening|day)|there|how are you)\b ?)+$")
_ORDINALS = (
    re.compile(r"\b(first|1st|earliest|number one|option one|any|whichever|either|don'?t mind)\b|^(the )?one$|^1$"),
    re.compile(r"\b(second|2nd|middle|number two|option two)\b|^two$|^2$"),
    re.compile(r"\b(third|3rd|last|number three|option three)\b|^three$|^3$"),
)
_NAME_INTRODUCED = re.compile(
    r"\b(?:my name is|my name's|the name is|the name's|name to|call me|this is|i am|i'm|it's|it is)"
    r"\s+(?:spelled\s+|spelt\s+)?(.+)",
    re.IGNORECASE,
)
_NAME_FOLLOWED = re.compile(r"^(.+?)\s(?:speaking|here)\b", re.IGNORECASE)
_NAME_LEAD = re.compile(r"^\W*(?:(?:um|uh|yes|sure|hi|hello|well|okay|ok)\b\W*)+", re.IGNORECASE)
_WEAK_INTRODUCTION = re.compile(r"\b(?:this is|i am|i'm|it's|it is)\s", re.IGNORECASE)
_NO_NAME_WORDS = """
    a about after afraid again an and any appointment are at back bad book booking but bye calling
    can can't cannot change check check-up checkup could currently day do don't double fine first
    for from gonna good got great happy have having hello here hey hi how i i'd i'm i've in
    interested is it it's just last later like looking me monday morning my name need nine no nope
    none not nothing number of ok okay on one or phone please pretty problem ready reason really
    running second sick so some sorry still sure terrible thank thanks that that's the there third
    this three time to today tomorrow trying tuesday two urgent very wait want was we wednesday well
    what when where who why will with would yeah yes yep you your thursday friday zero four five six
    seven eight ten oh um uh new hurting feeling working wondering planning going hoping only also
    too very quite all right alright correct wrong
"""
_NO_NAME = frozenset(_NO_NAME_WORDS.split())
_REASONS = tuple(
    re.compile(pattern + r"(.+)", re.IGNORECASE)
    for pattern in (
        r"(?:\b(?:appointment|booking|book|come in|visit|in|it's|it is|that's|is)\s+for\s+"
        r"|\babout\s+|\bregarding\s+"
        r"|\bbecause(?: of)?\s+|\breason is\s+|\bfor\s+(?=an?\s))",
        r"\b(?:i'd like|i would like|i need|i want|i have|i've got|i got)\s+(?!to\b)",
    )
)
_REASON_ENDS = re.compile(
    r"[.;!?]|,?\s(?:and|but|so)\s(?:my|i|i'm|can|you|the|is)\b"
    r"|,\s?(?:my name|my number|the name|i'm|i am|this is|call me|please)\b"
    r"|\s(?:tomorrow|today|next week|(?:on|next|this) \w+day|at \w+)\b",
    re.IGNORECASE,
)
_REASON_LEAD = re.compile(
    r"^(?:(?:uh|um|well|oh|so|yes|yeah|hi|hello|the reason is|it's|it is|that's|i'd like|i would like"
    r"|i need|i want|i have|i've got|because|for|about|of|to book|to make|an? appointment|a booking|please)\b[\s,]*)+",
    re.IGNORECASE,
)
_PERSONS = {"my": "your", "i": "you", "me": "you", "i'm": "you're", "i've": "you've", "am": "are", "mine": "yours"}
MAX_NAME_WORDS, MAX_REASON_CHARACTERS = 4, 160


def plain(text: str) -> str:
    """Lower case, straight apostrophes, no punctuation, single spaces: what the patterns are for."""
    return " ".join(re.sub(r"[^\w'+]+", " ", text.lower().replace("’", "'")).split())


def intent_of(said: str) -> Intent | None:
    """The first intent that `said` (plain) shows, in the order of the table."""
    return next((intent for intent, pattern in _INTENTS.items() if pattern.search(said)), None)


def wants(intent: Intent, said: str) -> bool:
    """Whether `said` (plain) shows this intent."""
    return bool(_INTENTS[intent].search(said))


def is_yes(said: str) -> bool:
    """Whether `said` (plain) agrees."""
    return bool(_YES.search(said)) and not is_no(said)


def is_no(said: str) -> bool:
    """Whether `said` (plain) declines."""
    return bool(_NO.search(said))


def is_question(said: str) -> bool:
    """Whether `said` (plain) asks for something other than a free appointment."""
    return bool(_QUESTION.search(said))


def asks_what_was(said: str) -> bool:
    """Whether `said` (plain) asks to hear what was agreed: "which day was that?"."""
    return bool(_WHAT_WAS.search(said))


def is_doubtful(said: str) -> bool:
    """Whether `said` (plain) asks what something is for, or declines to tell it."""
    return bool(_DOUBT.search(said))


def is_greeting(said: str) -> bool:
    """Whether `said` (plain) is a greeting and nothing else."""
    return bool(_GREETING.search(said))


def is_thanks(said: str) -> bool:
    """Whether `said` (plain) thanks."""
    return bool(re.search(r"\b(thanks|thank you|cheers)\b", said))


def means_this_number(said: str) -> bool:
    """Whether `said` (plain) means the number that the call comes from."""
    return bool(re.search(r"\b(this|same|my|the) (number|phone|one)\b|\bcalling from\b", said))


def choice_in(said: str, keys: str = "") -> int | None:
    """Which of the things offered is meant, from 0."""
    if keys in ("1", "2", "3"):
        return int(keys) - 1
    return next((number for number, pattern in enumerate(_ORDINALS) if pattern.search(said)), None)


def field_in(said: str) -> FieldName | None:
    """Which answer `said` (plain) speaks of."""
    return next((field for field, pattern in _CHANGEABLE.items() if pattern.search(said)), None)


def name_in(text: str, *, is_expected: bool) -> str | None:
    """The caller's name: after an introduction, or all of a short answer to the question for it."""
    text = text.replace("’", "'")
    name = _introduced_name(text, is_expected=is_expected)
    if name is None and is_expected:
        name = _name_at_start(_NAME_LEAD.sub("", text), is_whole=True)
    return name and " ".join(word[0].upper() + word[1:] for word in name.split())


def _introduced_name(text: str, *, is_expected: bool) -> str | None:
    if followed := _NAME_FOLLOWED.search(text):
        return _name_at_start(_NAME_LEAD.sub("", followed[1]), is_whole=True)
    introduced = _NAME_INTRODUCED.search(text)
    name = _name_at_start(introduced[1]) if introduced else None
    if introduced and name and not is_expected and _WEAK_INTRODUCTION.match(introduced[0]):
        return name if name[0].isupper() else None  # "I'm tired": recognisers write names with capitals
    return name


def _name_at_start(text: str, *, is_whole: bool = False) -> str | None:
    names: list[str] = []
    words = re.findall(r"[^\W\d_][\w'-]*|[^\s\w]|\d+", text.rstrip(" .!?"))
    for number, word in enumerate(words):
        if word == "," and not set(names).isdisjoint(words[number:]):
            names = []  # "John, John Smith"
        elif not word[0].isalpha() or word.lower() in _NO_NAME:
            if is_whole and word != ".":
                return None
            break
        else:
            names.append(word)
    return " ".join(names) if 0 < len(names) <= MAX_NAME_WORDS else None


def number_in(text: str) -> str | None:
    """A telephone number, if `text` holds a whole one."""
    digits = spoken_digits(text)
    return digits if len(digits) >= MIN_DIGITS else None


def _reason_among(text: str) -> str:
    found = next((match[1] for pattern in _REASONS if (match := pattern.search(text))), "")
    return _REASON_ENDS.split(found)[0]


def reason_in(text: str, *, is_expected: bool) -> str | None:
    """Why the caller calls, with the words turned to be said back to them."""
    text = text.replace("’", "'").strip()
    reason = text if is_expected else _reason_among(text)
    reason = _REASON_LEAD.sub("", reason).strip(" ,.!?")[:MAX_REASON_CHARACTERS]
    if not any(letter.isalpha() for letter in reason) or (wants("booking", plain(reason)) and not is_expected):
        return None
    return " ".join(_PERSONS.get(word.lower(), word) for word in reason.split())
