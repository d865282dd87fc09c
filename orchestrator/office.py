"""Where the office is that answers: its time zone, and whom people there call in an emergency."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

LONGEST_EMERGENCY_NUMBER = 6


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # KeyError: ZoneInfoNotFoundError; ValueError: "../x"
        raise ValueError(
            "wants a name of the IANA time zone database, such as Europe/Stockholm; where the system has no such "
            "database, install the package tzdata"
        ) from None
    return name


def _short_number(number: str) -> str:
    if not (number.isascii() and number.isdecimal() and len(number) <= LONGEST_EMERGENCY_NUMBER):
        raise ValueError("wants the digits of the emergency number where callers are, such as 911, 112 or 999")
    return number


TimeZone = Annotated[str, AfterValidator(_known_zone)]
EmergencyNumber = Annotated[str, AfterValidator(_short_number)]
