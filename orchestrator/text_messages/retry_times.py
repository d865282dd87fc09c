"""When a message is tried again that the provider did not take, and asked for again whose answer was lost."""

from random import uniform

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 2.0, 300.0
GIVE_UP_SECONDS = 3600.0
"""How long a message is tried that the provider surely does not take. A confirmation that comes later confuses."""
ASK_AFTER_SECONDS = (1.0, 3.0, 7.0, 15.0, 30.0, 60.0)
"""When the provider is asked whether it has the message, since it was posted. Its list may lag behind."""
ASK_FOR_SECONDS = 900.0
"""For how long it is asked if it does not answer that either."""


def retry_pause(failures: int, retry_after: float | None) -> float:
    """Return after how many seconds a message is tried again that failed `failures` times before."""
    pause: float = min(FIRST_RETRY_SECONDS * 2 ** min(failures, 10), LONGEST_RETRY_SECONDS)
    return max(pause * uniform(0.8, 1.2), retry_after or 0.0)


def next_ask(posting_since: float, now: float) -> float | None:
    """Return when the provider is to be asked next (Unix seconds); None if it was asked for long enough."""
    elapsed = now - posting_since
    return next((posting_since + after for after in ASK_AFTER_SECONDS if after > elapsed), None)
