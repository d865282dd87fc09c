"""When a message is tried again that the provider did not take, and asked for again whose answer was lost."""

from dataclasses import dataclass
from random import uniform


@dataclass(frozen=True, slots=True)
class RetryTimes:
    """All in seconds. A message that the provider surely does not take is tried for `give_up`: what comes later
    confuses.

    A message whose answer was lost is asked for at `ask_after` since it was posted, because the provider's list may lag
    behind; for `ask_for` if the provider does not answer that either.
    """

    first_retry: float = 2.0
    longest_retry: float = 300.0
    give_up: float = 3600.0
    ask_after: tuple[float, ...] = (1.0, 3.0, 7.0, 15.0, 30.0, 60.0)
    ask_for: float = 900.0

    def retry_pause(self, failures: int, retry_after: float | None = None) -> float:
        """Return after how many seconds a message is tried again that failed `failures` times before."""
        pause: float = min(self.first_retry * 2 ** min(failures, 10), self.longest_retry)
        return max(pause * uniform(0.8, 1.2), retry_after or 0.0)

    def next_ask(self, posting_since: float, now: float) -> float | None:
        """Return when the provider is to be asked next (Unix seconds); None if it was asked for long enough."""
        elapsed = now - posting_since
        return next((posting_since + after for after in self.ask_after if after > elapsed), None)
