"""Whom a call can be connected with: an E.164 number, a `sip:` or `sips:` address, or `client:name`.

Numbers are understood by the library `phonenumbers`, which is imported with the first number.
"""

import string
from dataclasses import dataclass
from urllib.parse import unquote

MOST_CHARACTERS = 255
"""Longest address in characters; the provider's limit for SIP."""
MOST_DIGITS = 15
LEAST_DIGITS = 5

WITHHELD = frozenset({"266696687", "7378742833", "2562533", "8656696", "86282452253"})
"""The digits after the `+` when a caller hides the number: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE,
as the letters on a telephone's keys. Twilio sends the first."""

_SEPARATORS = frozenset(" \t\u00a0\u202f()-./\u2010\u2011\u2013")
_IDENTITY = frozenset(string.ascii_letters + string.digits + "_.@+-")
_NOT_IN_ADDRESSES = frozenset("<>\"'\\`{}|^")
_NOT_IN_USERS = frozenset("@?#/[]")
"""If a user part holds one of these, two parsers may find different hosts: `sip:a@10.0.0.1?x=@pbx.example.com`."""


def destination(text: str, region: str | None = None) -> str | None:
    """Return `text` as it is dialled, or None if it is not a destination. `region` (such as `US`) is the country of a
    number without one; if None, such a number is refused."""
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    match scheme.lower() if colon else "":
        case "client":
            return f"client:{rest}" if 0 < len(rest) <= 120 and set(rest) <= _IDENTITY else None
        case "sip" | "sips" as sip:
            address = f"{sip}:{rest}"
            return address if SipAddress.of(address) is not None else None
        case "tel":
            return number(rest, region)
        case _:
            return number(text, region)


def number(text: str, region: str | None = None) -> str | None:
    """Return the E.164 form of a telephone number, in any notation; None if it cannot be a number."""
    digits = [char for char in text if char not in _SEPARATORS]
    signs = digits[1:] if digits[:1] in (["+"], ["\uff0b"]) else digits
    if not LEAST_DIGITS <= len(signs) <= MOST_DIGITS + 3 or not all(sign.isdecimal() for sign in signs):
        return None
    import phonenumbers

    try:
        parsed = phonenumbers.parse("".join(digits), region)
    except phonenumbers.NumberParseException:
        return None
    is_number = phonenumbers.is_possible_number(parsed) and parsed.extension is None
    found = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return found if is_number and found.removeprefix("+") not in WITHHELD else None


def national(text: str) -> str | None:
    """Return the digits of a number without its country, which the provider may understand; None if it is not one."""
    digits = "".join(char for char in text.strip() if char not in _SEPARATORS)
    return digits if digits.isascii() and digits.isdecimal() and 3 <= len(digits) <= MOST_DIGITS else None


def region_of(e164: str | None) -> str | None:
    """Return the main region of a number's country, such as `US` for +1; None if there is none."""
    if not e164 or not e164.startswith("+"):
        return None
    import phonenumbers

    try:
        country = phonenumbers.parse(e164).country_code
    except phonenumbers.NumberParseException:
        return None
    region: str = phonenumbers.region_code_for_country_code(country or 0)
    return region if len(region) == 2 and region.isalpha() and region != "ZZ" else None


@dataclass(frozen=True, slots=True)
class SipAddress:
    """A `sip:` address (RFC 3261, section 19.1).

    `host` is in lower case, an IPv6 address without its brackets; names of parameters and headers are in lower case.
    """

    host: str
    parameters: tuple[tuple[str, str], ...] = ()
    headers: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> "SipAddress | None":
        """Return the address in `text`, or None if there is none."""
        scheme, colon, rest = text.partition(":")
        if scheme.lower() not in ("sip", "sips") or not colon or len(text) > MOST_CHARACTERS:
            return None
        if not text.isascii() or not text.isprintable() or set(text) & _NOT_IN_ADDRESSES or " " in text:
            return None
        user, at, place = rest.rpartition("@")
        if at and (not user or set(user) & _NOT_IN_USERS):
            return None
        place, question, headers = place.partition("?")
        place, *parameters = place.split(";")
        host = _host_of(place)
        if host is None:
            return None
        pairs = (unquote(parameter).partition("=") for parameter in parameters)
        names = (header.partition("=")[0].lower() for header in headers.split("&")) if question else ()
        return cls(host, tuple((name.lower(), value) for name, _, value in pairs), tuple(names))


def _host_of(place: str) -> str | None:
    """Return the host in `host[:port]`."""
    if place.startswith("["):
        host, bracket, port = place[1:].partition("]")
        is_right = bool(bracket) and bool(host) and set(host.lower()) <= set("0123456789abcdef:.")
        port = port[1:] if port.startswith(":") else port and "?"
    else:
        host, colon, port = place.partition(":")
        is_right = all(set(label) <= set(string.ascii_letters + string.digits + "-_") for label in host.split("."))
        is_right = is_right and bool(host.strip(".")) and ".." not in host and not (colon and not port)
    if not is_right or (port and not (port.isdecimal() and 0 < int(port[:6]) < 65536)):
        return None
    return host.lower().rstrip(".")
