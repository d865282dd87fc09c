"""Finds e-mail addresses in what callers say: their digits are not a telephone number."""

_LEADS_WORDS = """
    is email e-mail mail address to my it's its and the at me on
"""
_LEADS = frozenset(_LEADS_WORDS.split())
_LONGEST_PART = 10
_AHEAD = 5


def without_addresses(text: str) -> str:
    """Return `text` without e-mail addresses, written ("ann42@example.com") or said ("ann 42 at example dot com")."""
    words = [word for word in text.split() if "@" not in word]
    plain = [word.lower().strip(",.;:?!") for word in words]
    at = 0
    while at < len(words):
        end = _domain_end(plain, at) if plain[at] == "at" else None
        if end is None:
            at += 1
            continue
        begin = at
        while begin > 0 and at - begin < _LONGEST_PART and plain[begin - 1] not in _LEADS:
            begin -= 1
        del words[begin:end], plain[begin:end]
        at = begin
    return " ".join(words)


def holds_address(text: str) -> bool:
    """True if `text` holds an e-mail address."""
    return len(without_addresses(text).split()) < len(text.split())


def _domain_end(plain: list[str], at: int) -> int | None:
    """Return where "at example dot com" ends, or None."""
    dots = [place for place in range(at + 2, min(at + _AHEAD, len(plain) - 1)) if plain[place] == "dot"]
    if not dots:
        return None
    end = dots[0] + 2
    while end + 1 < len(plain) and plain[end] == "dot":
        end += 2
    return end
