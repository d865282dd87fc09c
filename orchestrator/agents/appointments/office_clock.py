"""The office's local time, which appointments are in."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

OfficeClock = Callable[[], datetime]
"""Returns the local time of the office, without a zone."""


def office_clock(zone: str | None = None) -> datetime:
    """Return the local time of the office, without a zone: in `zone` (IANA), or where this machine is."""
    return datetime.now(ZoneInfo(zone) if zone else None).replace(tzinfo=None)
