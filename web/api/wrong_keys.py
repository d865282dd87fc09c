"""How many wrong keys an address may give to this process before it must wait."""

import math
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from orchestrator.rate_limits.rate import Rate
from web.problem_types import RATE_LIMITED
from web.problems import Problem

if TYPE_CHECKING:  # its import takes a while, and only servers with keys need it
    from orchestrator.rate_limits.window import RateLimiter

MOST_WRONG_KEYS = Rate(10, 60)


class WrongKeys:
    """Counts the wrong keys of each address. While one has given too many, its right ones are refused as well."""

    def __init__(self, rate: Rate = MOST_WRONG_KEYS) -> None:
        self._rate = rate
        self._limiter: RateLimiter | None = None

    def check(self, connection: HTTPConnection) -> None:
        """Answer 429 to an address that has given too many wrong keys."""
        seconds = self._limiter.seconds_until_next(_address(connection)) if self._limiter is not None else 0.0
        if seconds:
            sentence = f"Too many wrong keys. Try again in {math.ceil(seconds)} s."
            raise Problem(RATE_LIMITED, sentence, {"Retry-After": str(math.ceil(seconds))})

    def note(self, connection: HTTPConnection) -> None:
        """Count a wrong key."""
        if self._limiter is None:
            from orchestrator.rate_limits.window import RateLimiter

            self._limiter = RateLimiter(self._rate)
        self._limiter.seconds_to_wait(_address(connection))


def wrong_keys_of(connection: HTTPConnection) -> WrongKeys:
    """Return what counts the wrong keys that the server got which received this request."""
    counted = connection.app.state.wrong_keys
    assert isinstance(counted, WrongKeys)
    return counted


def _address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client is not None else ""
