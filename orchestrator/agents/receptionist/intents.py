"""What the caller means: intents and answers, by pattern.

`said` is always plain text: see `plain`.
"""

import re
from typing import Literal

from orchestrator.agents.receptionist.booking_form import FieldName
from orchestrator.agents.receptionist.digits import MIN_DIGITS, spoken_digits
from orchestrator.agents.receptionist.email_addresses import without_addresses
from orchestrator.agents.receptionist.emergencies import is_emergency

Intent = Literal[
    "emergency", "repeat", "wait", "help", "person", "bye", "cancel", "earlier_booking", "message", "change", "booking"
]

_PERSON = (
    "(person|human|operator|representative|somebody|someone|anybody|anyone|colleague|agent|receptionist|manager"
    "|secretary|staff)"
)
_TALK = r"\b(speak|talk|speaking|talking)\b.{0,30}\b(doctor|dentist|nurse|hygienist|team|people|man|woman)\b"
_NUMBER = r"\bnumber\b|\bphone\b|\bdigits?\b"
_SAID: dict[Intent, str] = {
    "wait": r"^(please )?don'?t hang up\b|^(no |oh |um |please )*(wait|hold on|hang on|hold the line"
    r"|(give me |just )?(a|one) (moment|second|minute)|let me (think|see|check|look))"
    r"( please| a (moment|second|minute|sec))*$",
    "repeat": r"\b(repeat|pardon|say (that|it) again|come again|once more|didn'?t (catch|hear|get) (that|you|it))\b"
    r"|^((sorry|what|excuse me|huh|again|was that|did you say)( |$))+$",
    "help": r"^(help( me)?|i need help)$|\bwhat can you (do|help)\b|\bwho are you\b"
    r"|\bare you (a |an )?(robot|machine|computer|real|bot|human|person|program)\b",
    "person": rf"\b(speak|talk|connect|transfer|put|get|give|want|need|like)\b.{{0,30}}\b{_PERSON}\b"
    rf"|^(no )?(can i have |an? |the )*(real |live )?{_PERSON}( please)?$"
    r"|\b(operator|human being|real (person|human))\b"
    rf"|{_TALK}"
    rf"|\bis (there )?{_PERSON} (there|in|available|around)\b|\bput me through\b|\b(connect|transfer) me\b"
    r"|\b(stop|don'?t want to|not) (talk|talking|speak|speaking) (to|with) "
    r"(a |this |the )?(machine|robot|computer|bot)\b|^(the )?reception( please)?$",
    "bye": r"\b(bye|goodbye|hang up|see you|(i'?ll|i will|let me) (call|ring) (you )?(back|again)( later)?$"
    r"|have a (nice|good) (day|one)|never ?mind|forget it)\b",
    "cancel": r"^((please|just|no) )*cancel( please)?$|\b(don'?t|no longer) (want|need) (an?|the|my|this|that) "
    r"(booking|appointment|visit)\b|\bcancel (it|that|this|(my |an |the )?(booking|appointment|visit))\b",
    "earlier_booking": r"\b(reschedule|move) (my |an |the )?(booking|appointment|visit|it)\b"
    r"|\b(can'?t|cannot|unable to|able to) (make|keep|attend|come to|get to) (it to )?(my|the|our) "
    r"(booking|appointment|visit)\b"
    r"|\b(already have an?|existing) (booking|appointment)\b",
    "message": r"\b(leave|take|pass on|have) a message\b|\bcall me back\b",
    "change": r"\b(change|correct) (that|it|this|something"
    r"|(the|my) (name|number|phone|reason|time|day|date|appointment|message|slot))\b|\bgo back\b|^(no )?change$"
    r"|\b(that'?s|is|was|it'?s) (wrong|incorrect|not (quite )?(right|correct))\b"
    r"|\b(that|it|this) isn'?t (quite )?(right|correct)\b"
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
    r"^((oh|um|uh|well|and|the) )*(yes|yeah|yep|yup|ya|uh huh|mhm|mm hmm|indeed|correct|right|sure|ok|okay"
    r"|(that|it)('?s| is|'?ll be| will be| would be) (right|correct|it|fine|good|great|perfect|ok|okay|lovely)"
    r"|(that )?works|perfect|exactly|absolutely|certainly|of course|please do|fine|sounds? good|great|lovely|it is"
    r"|go ahead)\b"
)
_NO = re.compile(
    r"^((oh|um|uh|well|and) )*(no|nope|nah|not|nothing|none|neither|never|that'?s all|that is all|that'?s everything"
    r"|i'?m (good|fine|done)|all good|don'?t|wrong|incorrect)\b"
)
_QUESTION = re.compile(
    r"^((hi|hello|hey|um|uh|well|so|ok|okay) )*(are|is|do|does|did|how|what|when|where|which|who|why)\b"
    r"(?!.{0,200}\b(free|available|slots?|openings?(?! (hours|times)))\b)"
)
_WHAT_WAS = re.compile(
    r"^((sorry|and|oh|um|uh|wait|so) )*((what|which|when)\b.{0,80}\b(was|is|were|did|again)|what's|when's)\b"
)
_TELL = re.compile(
    r"\b(tell|let|inform|remind) (the|my|him|her|them|everybody|everyone|dr|doctor|mr|mrs|ms)\b.{0,200}\b(i"
    r"|i'm|i'll|we|that)\b"
)
_DOUBT = re.compile(r"\bwhy\b|\bwhat\b.{0,80}\bfor\b|\b(don'?t|won'?t|rather not|do i (have|need) to)\b")
_NEW = re.compile(r"\b(not yet|first (time|visit)|new (here|patient)|never been|haven'?t been)\b")
_GREETING = re.compile(r"^((hi|hello|hey|good (morning|afternoon|evening|day)|there|how are you)\b ?)+$")
_ANY = re.compile(
    r"\b(any|whichever|whatever|either|you (choose|pick|decide)|surprise me|asap|as soon as possible|right away"
    r"|don'?t (mind|care)"
    r"|doesn'?t matter|up to you)\b"
)
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
MAX_REASON_CHARACTERS = 160


def plain(text: str) -> str:
    """Return `text` as the patterns expect it: lower case, straight apostrophes, no punctuation, single spaces."""
    return " ".join(re.sub(r"[^\w'+]+", " ", text.lower().replace("’", "'")).split())


def intent_of(said: str) -> Intent | None:
    """Return the first intent that `said` shows: an emergency before all others, then in the order of the table."""
    if is_emergency(said):
        return "emergency"
    found = ((intent, pattern.search(said)) for intent, pattern in _INTENTS.items())
    shown = (intent for intent, match in found if match and not _is_denied(said[: match.start()]))
    return next(iter(shown), None)


_DENIALS = frozenset(("don't", "dont", "not", "never", "won't", "needn't"))


def _is_denied(before: str) -> bool:
    """True if the words before an intent deny it: "please don't hang up"."""
    last = before.split()[-4:]
    return not _DENIALS.isdisjoint(last) or last[-3:] in (["no", "need", "to"],)


def wants(intent: Intent, said: str) -> bool:
    """True if `said` shows this intent."""
    return bool(_INTENTS[intent].search(said))


def is_yes(said: str) -> bool:
    """True if `said` agrees."""
    return bool(_YES.search(said)) and not is_no(said)


def is_no(said: str) -> bool:
    """True if `said` declines."""
    return bool(_NO.search(said))


def is_question(said: str) -> bool:
    """True if `said` asks for something other than a free appointment."""
    return bool(_QUESTION.search(said))


def asks_what_was(said: str) -> bool:
    """True if `said` asks what was agreed: "which day was that?"."""
    return bool(_WHAT_WAS.search(said))


def asks_to_tell(said: str) -> bool:
    """True if `said` is a message to be passed on: "tell the doctor I'll be late"."""
    return bool(_TELL.search(said))


def is_doubtful(said: str) -> bool:
    """True if `said` asks what something is for, or declines to say it."""
    return bool(_DOUBT.search(said))


def is_greeting(said: str) -> bool:
    """True if `said` is a greeting and nothing else."""
    return bool(_GREETING.search(said))


def is_thanks(said: str) -> bool:
    """True if `said` thanks."""
    return bool(re.search(r"\b(thanks|thank you|cheers)\b", said))


def means_this_number(said: str) -> bool:
    """True if `said` means the number that the call comes from."""
    return bool(re.search(r"\b(this|same|my|the) (number|phone|one)\b|\bcalling from\b", said))


def means_any(said: str) -> bool:
    """True if `said` accepts any of the offers."""
    found = _ANY.search(said)
    return found is not None and not is_no(said) and not _is_denied(said[: found.start()])


def is_new(said: str) -> bool:
    """True if `said` means that they were never here before: "not yet", "it's my first time"."""
    return bool(_NEW.search(said))


def field_in(said: str) -> FieldName | None:
    """Return the field that `said` speaks of, or None."""
    return next((field for field, pattern in _CHANGEABLE.items() if pattern.search(said)), None)


def number_in(text: str) -> str | None:
    """Return the telephone number in `text`, or None if it holds no complete one."""
    digits = spoken_digits(without_addresses(text))
    return digits if len(digits) >= MIN_DIGITS else None


def _reason_among(text: str) -> str:
    found = next((match[1] for pattern in _REASONS if (match := pattern.search(text))), "")
    return _REASON_ENDS.split(found)[0]


def reason_in(text: str, *, is_expected: bool) -> str | None:
    """Return why the caller calls, in words that can be said back to them ("my" becomes "your"), or None."""
    text = text.replace("’", "'").strip()
    reason = text if is_expected else _reason_among(text)
    reason = _REASON_LEAD.sub("", reason).strip(" ,.!?")[:MAX_REASON_CHARACTERS]
    if not any(letter.isalpha() for letter in reason) or (wants("booking", plain(reason)) and not is_expected):
        return None
    return " ".join(_PERSONS.get(word.lower(), word) for word in reason.split())
