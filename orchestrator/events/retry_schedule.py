"""When an event that a sink did not take is delivered again."""

from random import uniform

MINUTE = 60.0
HOUR = 60 * MINUTE
FIRST_SECONDS = (10.0, 1 * MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR)
"""Before the second attempt, the third, and so on."""
THEN_SECONDS = 8 * HOUR
GIVE_UP_SECONDS = 3 * 24 * HOUR
"""After the first attempt. An event that nobody took by then is dead."""
JITTER = 0.2
"""A pause is up to this part longer, so that a sink that was down is not asked by all calls at once."""


def pause_after(failures: int, seconds_since_first: float) -> float | None:
    """Return how many seconds to wait after the `failures`th failure in a row, or None if the event is dead."""
    if seconds_since_first >= GIVE_UP_SECONDS:
        return None
    pause = FIRST_SECONDS[failures - 1] if failures <= len(FIRST_SECONDS) else THEN_SECONDS
    return pause * uniform(1, 1 + JITTER)
