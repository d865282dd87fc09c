"""The day, the call and the server of the tests of what the soak says of the cockpit."""

from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
BEGAN = 1_700_000_000.0
"""Unix seconds."""
SID, URL = "CA1", "http://web"
DAY = (BEGAN, BEGAN + 86_400)


def at(seconds: float) -> str:
    """Return the time so many seconds after the day began, as the API writes it."""
    return datetime.fromtimestamp(BEGAN + seconds, UTC).isoformat()
