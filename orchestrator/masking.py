"""Masks addresses of people in text: telephone numbers with their country, users of SIP addresses, names of clients.

`+15551235310` is shown as `+1555•••5310`, `sip:ada@pbx.example.com` as `sip:•••@pbx.example.com`, and `client:margaret`
as `client:m•••`. So a reader can tell two callers apart, and can call neither. What is written in URLs is found, too.
"""

import re

HIDDEN = "•••"
SHOWN_DIGITS = 4
"""The most digits that are shown at each end of a number."""
LEAST_HIDDEN = 3
LONGEST_BARE_NAME = 3

# E.164: a plus, a country that begins with 1 to 9, at most 15 digits. People write spaces, dots and hyphens between
# them; URLs write the plus as %2B, and a URL within a URL as %252B.
_SEPARATORS = r"(?:[ \u00a0().-]|%20){0,2}"
_NUMBER = re.compile(rf"(\+|%(?:25){{0,3}}2[Bb])([1-9](?:[0-9]{{6,}}|(?:{_SEPARATORS}[0-9]){{4,14}}[0-9]*))")
# Users of at most 64 characters, and a limit on what is read of longer ones: the pattern costs each character so much.
_USER = r"(?:[^\s@:%\"'<>;?]|%(?!40|3[Aa])[0-9A-Fa-f]{2}){1,64}"
_ADDRESS = re.compile(
    rf"(?P<sip>sips?(?::|%3A))(?P<user>{_USER})(?:(?::|%3A)[^\s@:\"'<>]{{0,64}})?(?P<at>@|%40)"
    r"|(?<![/._])(?P<client>client(?::|%3A))(?P<name>(?:[\w.@+•-]|%40|%2B){1,120})",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return `text` with every address masked. Masking twice changes nothing more."""
    if ":" in text or "%3" in text:
        lower = text.lower()
        if "sip" in lower or "client" in lower:
            text = _ADDRESS.sub(_masked_address, text)
    if "+" in text or "%2" in text:
        text = _NUMBER.sub(_masked_number, text)
    return text


def _masked_number(match: re.Match[str]) -> str:
    digits = "".join(filter(str.isdecimal, match[2].replace("%20", "")))
    last = min(SHOWN_DIGITS, len(digits) - LEAST_HIDDEN)
    first = max(0, min(SHOWN_DIGITS, len(digits) - last - LEAST_HIDDEN))
    return f"{match[1]}{digits[:first]}{HIDDEN}{digits[-last:]}"


def _masked_address(match: re.Match[str]) -> str:
    if match["client"]:
        return match["client"] + _masked_name(match["name"])
    return match["sip"] + _masked_name(match["user"]) + match["at"]


def _masked_name(name: str) -> str:
    """Return the mask of a user or a client. Who is named by a number is masked as that number."""
    if (number := _NUMBER.fullmatch(name)) is not None:
        return _masked_number(number)
    if HIDDEN in name:  # it is masked already
        return name
    return HIDDEN if len(name) <= LONGEST_BARE_NAME else name[0] + HIDDEN
