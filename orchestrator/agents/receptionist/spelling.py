"""Reads names that callers spell: "T H O M A S", "S as in Sam", "double L"."""

import re

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SOUNDS = {
    "alpha": "a", "alfa": "a", "bravo": "b", "charlie": "c", "delta": "d", "echo": "e", "foxtrot": "f", "golf": "g",
    "hotel": "h", "india": "i", "juliet": "j", "juliett": "j", "kilo": "k", "lima": "l", "mike": "m", "november": "n",
    "oscar": "o", "papa": "p", "quebec": "q", "romeo": "r", "sierra": "s", "tango": "t", "uniform": "u", "victor": "v",
    "whiskey": "w", "xray": "x", "yankee": "y", "zulu": "z",
}  # fmt: skip
_LEAST_LETTERS, _MOST_INITIALS = 2, 3
_LINKS = (("as", "in"), ("like", "in"), ("for",), ("like",))
_LEADS_WORDS = """
    that's thats spelled spelt is it's its spell with a capital and then
"""
_LEADS = frozenset(_LEADS_WORDS.split())


def spelled_name(text: str) -> str:
    """Return the name that `text` spells, with the words before it if they are the rest of it; "" if it spells none.

    A name that is said and then spelled is taken as it is spelled: "Jon, J O N", "Thomas Anderson, A N D E R S E N".
    """
    words = [
        word.replace("'s", "") if len(word) == 3 and word.endswith("'s") else word for word in _TOKEN.findall(text)
    ]
    names: list[str] = []
    at = _name_begins(words)
    spelled = 0
    while at < len(words):
        letters, end = _letters_at(words, at)
        if 1 < len(letters) <= _MOST_INITIALS and not names and end < len(words) and _is_name(words[end]):
            return ""  # "J. R. R. Tolkien"
        if len(letters) >= _LEAST_LETTERS:
            _put(names, letters.capitalize())
            spelled, at = spelled + 1, end
        elif words[at].lower() in _LEADS:
            at += 1
        elif _is_name(words[at]):
            names.append(words[at])
            at += 1
        else:
            return ""
    return " ".join(names) if spelled else ""


def _is_name(word: str) -> bool:
    return len(word) > 1 and (word[0].isupper() or word.islower())


def _put(names: list[str], spelled: str) -> None:
    """Put the spelled name in place of the spoken one that it spells, or after the others."""
    for at in range(len(names) - 1, -1, -1):
        if _sounds_alike(names[at], spelled):
            names[at] = spelled
            return
    names.append(spelled)


def _sounds_alike(said: str, spelled: str) -> bool:
    said, spelled = said.lower(), spelled.lower()
    return said[0] == spelled[0] and len(set(said) & set(spelled)) * 2 >= len(set(said) | set(spelled))


def _name_begins(words: list[str]) -> int:
    """Return where the name begins: after "my name is", "it's" and similar."""
    plain = [word.lower() for word in words]
    begin = 0
    for at, word in enumerate(plain):
        if (
            word
            in (
                "is",
                "it's",
                "i'm",
                "name's",
                "am",
                "this",
                "yes",
                "um",
                "uh",
                "well",
                "sure",
                "okay",
                "last",
                "first",
                "name",
                "my",
                "so",
                "the",
            )
            and at <= 5
        ):
            begin = max(begin, at + 1) if at <= begin + 1 else begin
    return begin


def _letters_at(words: list[str], at: int) -> tuple[str, int]:
    letters = ""
    while at < len(words):
        word = words[at].lower()
        if word == "double" and at + 1 < len(words) and len(words[at + 1]) == 1:
            letters, at = letters + words[at + 1].lower() * 2, at + 2
        elif (
            word in ("capital", "and", "then")
            and at + 1 < len(words)
            and len(words[at + 1]) == 1
            and (letters or word == "capital")
        ):
            at += 1
        elif len(word) == 1 and word.isalpha():
            letters, at = letters + word, at + 1 + _example(words, at + 1, word)
        elif word in _SOUNDS and (letters or _all_sounds(words, at)):
            letters, at = letters + _SOUNDS[word], at + 1
        else:
            break
    return letters, at


def _example(words: list[str], at: int, letter: str) -> int:
    """Return the number of words of the example after a letter: "as in Sam"."""
    for link in _LINKS:
        end = at + len(link)
        if (
            tuple(word.lower() for word in words[at:end]) == link
            and end < len(words)
            and words[end][0].lower() == letter
        ):
            return len(link) + 1
    return 0


def _all_sounds(words: list[str], at: int) -> bool:
    return len(words) - at >= 3 and all(word.lower() in _SOUNDS for word in words[at:])
