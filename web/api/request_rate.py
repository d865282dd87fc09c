"""How many requests a key of the API may send to this process: `API_RATE_LIMIT`."""

import math
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from orchestrator.process_metrics import catalog
from orchestrator.settings import Settings
from web.problem_types import RATE_LIMITED
from web.problems import Problem

if TYPE_CHECKING:  # its import takes a while, and only servers with keys need it
    from orchestrator.rate_limits.window import RateLimiter


class RequestRates:
    """Counts the requests of each key. Where no key is needed, none are counted."""

    def __init__(self, limiter: "RateLimiter | None" = None) -> None:
        self._limiter = limiter

    @classmethod
    def of(cls, settings: Settings) -> "RequestRates":
        """Return what counts as `settings` say."""
        if settings.api_rate is None or not settings.has_api_key:
            return cls()
        from orchestrator.rate_limits.window import RateLimiter

        return cls(RateLimiter(settings.api_rate))

    def check(self, name: str) -> None:
        """Count a request of the key of that name. Answer 429 if it is one too many."""
        if self._limiter is None:
            return
        seconds = self._limiter.seconds_to_wait(name)
        if seconds:
            catalog.REQUESTS_LIMITED.inc()
            sentence = f"The key {name} has sent too many requests. Try again in {math.ceil(seconds)} s."
            raise Problem(RATE_LIMITED, sentence, {"Retry-After": str(math.ceil(seconds))})


def request_rates_of(connection: HTTPConnection) -> RequestRates:
    """Return what counts the requests to the server that received this one."""
    rates = connection.app.state.request_rates
    assert isinstance(rates, RequestRates)
    return rates
