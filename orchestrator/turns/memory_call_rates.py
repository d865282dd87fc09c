"""How many calls may begin within a time, where one process counts."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.errors import CallerLimited, DestinationLimited
from orchestrator.rate_limits.rate import Rate
from orchestrator.turns.call_rates import NO_RATES, CallRates, Counted

if TYPE_CHECKING:  # its import takes a while
    from orchestrator.rate_limits.window import RateLimiter

MOST_DECIDED = 10_000


class MemoryCallRates:
    """Counts what begins in this process. `now`: in seconds."""

    def __init__(self, rates: CallRates = NO_RATES, now: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._now = now
        self._limiters: dict[Rate, RateLimiter] = {}
        self._decided: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        """What was decided, and until when that holds: name and call → until, and from when on another may begin."""

    def check_caller(self, call_sid: str, opening: Mapping[str, Any]) -> None:
        """Count a call that is to begin with these fields. Raise `CallerLimited`."""
        if self._seconds_to_wait(self._rates.of_caller(call_sid, opening)):
            raise CallerLimited

    def check_destination(self, number: str, order: str) -> None:
        """Count a call that is to be placed. Raise `DestinationLimited`."""
        seconds = self._seconds_to_wait(self._rates.of_destination(number, order))
        if seconds:
            raise DestinationLimited(seconds)

    def _seconds_to_wait(self, counted: Counted | None) -> float:
        """Count a call and return 0, or how long it is until another may begin. A call that is repeated counts once."""
        if counted is None:
            return 0.0
        now = self._now()
        until, free_at = self._decided.get((counted.name, counted.one), (-math.inf, -math.inf))
        if until > now:
            return max(free_at - now, 0.0)
        seconds = self._limiter(counted.rate).seconds_to_wait(counted.name)
        if counted.is_remembered or not seconds:
            self._decide(counted, now, seconds)
        return seconds

    def _decide(self, counted: Counted, now: float, seconds: float) -> None:
        free_at = now + counted.rate.seconds if seconds else now
        self._decided[counted.name, counted.one] = (now + counted.rate.seconds, free_at)
        while len(self._decided) > MOST_DECIDED:
            self._decided.popitem(last=False)

    def _limiter(self, rate: Rate) -> "RateLimiter":
        if rate not in self._limiters:
            from orchestrator.rate_limits.window import RateLimiter

            self._limiters[rate] = RateLimiter(rate, self._now)
        return self._limiters[rate]
