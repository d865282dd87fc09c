"""Numbers as routes name them, and as providers send them: both in one spelling, so that they can be compared."""

from functools import lru_cache

from orchestrator.destinations import number

REST = "*"
"""The pattern of a route for all other numbers."""
LONGEST = 255
_ADDRESSES = ("sip:", "sips:", "client:")
_SEPARATORS = frozenset(" \t\u00a0\u202f()-./\u2010\u2011\u2013")


def spelled(called: str) -> str:
    """Return what was called in the spelling of the routes: E.164, `sip:user@host` or `client:name`.

    What is none of them is returned without blanks around it.
    """
    return _spelled(called.strip()[:LONGEST])


@lru_cache(maxsize=10_000)
def _spelled(text: str) -> str:
    if text.startswith("+") and text[1:].isascii() and text[1:].isdecimal():  # as nearly all providers send it
        return text
    scheme, colon, rest = text.partition(":")
    match scheme.lower() if colon else "":
        case "sip" | "sips":
            return _sip(rest)
        case "client":
            return f"client:{rest}"
        case "tel":
            text = rest
    bare = _without_separators(text)
    return number(text) or (bare if bare.isascii() and bare.isdecimal() else text)


def pattern_of(text: str) -> str | None:
    """Return a route's number in the spelling of `spelled`, with `*` at the end of a prefix; None if it is none."""
    text = text.strip()
    if text == REST:
        return REST
    prefix, star, more = text.partition("*")
    if more or len(text) > LONGEST:
        return None
    if prefix.lower().startswith(_ADDRESSES):
        return _prefix_of_address(prefix) + star if star else _address(prefix)
    digits = _without_separators(prefix)
    bare = digits.removeprefix("+")
    if not (bare.isascii() and bare.isdecimal() and 1 <= len(bare) <= 15):
        return None
    if star:
        return digits + star
    return number(digits) if digits.startswith("+") else digits


def _without_separators(text: str) -> str:
    return "".join(char for char in text if char not in _SEPARATORS)


def _address(text: str) -> str | None:
    found = spelled(text)
    scheme, _, rest = found.partition(":")
    return found if rest and scheme in ("sip", "client") and " " not in rest else None


def _prefix_of_address(text: str) -> str:
    scheme, _, rest = text.partition(":")
    return f"client:{rest}" if scheme.lower() == "client" else f"sip:{rest.lower()}"


def _sip(rest: str) -> str:
    """Return the address without its parameters and its port, in lower case."""
    address = rest.partition(";")[0].partition("?")[0].lower()
    user, at, place = address.rpartition("@")
    host = place.partition("]")[0] + "]" if place.startswith("[") else place.partition(":")[0]
    return f"sip:{user}{at}{host}"
