"""Links. Of a link its text is said, of an address its host: nobody writes down the rest by ear."""

from typing import Literal, NamedTuple

_SCHEMES = ("https://", "http://", "www.")
_ENDS = frozenset("<>\"'`[]{}|\\^")
_STOPS = ".,;:!?)*_"
LONGEST_TEXT, LONGEST_TARGET = 300, 1500


class Link(NamedTuple):
    """A link: where it ends, and what is said in its place."""

    end: int
    text: str


def link_at(text: str, at: int, *, final: bool) -> Link | Literal["wait"] | None:
    """Return the link `[text](target)` or `[text][reference]` at `at`; "wait" if that is not known yet; None if there
    is none.
    """
    close = text.find("]", at, at + LONGEST_TEXT)
    if close < 0 or "\n" in text[at:close]:
        is_open = close < 0 and len(text) - at < LONGEST_TEXT and "\n" not in text[at:]
        return "wait" if is_open and not final else None
    inside, following = text[at + 1 : close], text[close + 1 : close + 2]
    if not following and not final:
        return "wait"
    if inside.startswith("^"):
        return Link(close + 1, "")
    if following not in ("(", "["):
        return None
    end = _target_end(text, close + 1)
    if end is None:
        return "wait" if len(text) - close < LONGEST_TARGET and not final else None
    return Link(end, inside)


def _target_end(text: str, at: int) -> int | None:
    """Return where the target ends, which may contain brackets in pairs; None if it has not arrived."""
    opening, closing, depth = text[at], ")" if text[at] == "(" else "]", 0
    for end in range(at, min(len(text), at + LONGEST_TARGET)):
        depth += (text[end] == opening) - (text[end] == closing)
        if depth == 0:
            return end + 1
    return None


def address_begins(text: str, at: int, *, final: bool) -> bool | None:
    """True if an address begins at `at`; None if that is not known yet."""
    if text.startswith(_SCHEMES, at):
        return True
    begun = text[at : at + 8]
    return None if not final and any(scheme.startswith(begun) for scheme in _SCHEMES) else False


def address_at(text: str, at: int, *, final: bool) -> Link | Literal["wait"]:
    """Return the address that begins at `at`, without the punctuation after it; "wait" if its end is not known yet."""
    end = at
    while end < len(text) and end - at < LONGEST_TARGET and not text[end].isspace() and text[end] not in _ENDS:
        end += 1
    if end == len(text) and end - at < LONGEST_TARGET and not final:
        return "wait"
    whole = text[at:end].rstrip(_STOPS)
    host = whole.partition("://")[2] or whole
    return Link(at + len(whole), host.removeprefix("www.").partition("/")[0].partition("?")[0].rpartition("@")[2])
