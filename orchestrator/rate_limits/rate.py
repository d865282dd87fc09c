"""`Rate`: so many in so long, as settings write it: `600/minute`."""

from dataclasses import dataclass

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
OFF = "off"
MOST = 1_000_000
"""No rate is higher: each of the last so many may be remembered."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` within any `seconds`."""

    count: int
    seconds: int


def rate_in(text: str) -> Rate | None:
    """Return the rate that `text` says; None for `off`. Raise ValueError with what it must be."""
    if text.strip().lower() == OFF:
        return None
    number, slash, unit = (part.strip() for part in text.lower().partition("/"))
    seconds = UNITS.get(unit)
    is_number = number.isascii() and number.isdecimal() and len(number) <= len(str(MOST))
    if not slash or seconds is None or not is_number or not 1 <= int(number) <= MOST:
        raise ValueError(f"must be a number per {', '.join(UNITS)}, such as 600/minute, or {OFF}")
    return Rate(int(number), seconds)
