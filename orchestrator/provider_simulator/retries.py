"""When the provider requests a document again that it did not get."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import parse_qs

Failure = Literal["ct", "rt", "4xx", "5xx", "bad"]
"""In the provider's words: no connection made, lost or too slow, an HTTP error; `bad` is never retried."""

MAX_RETRIES = 5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retry `retries` times at once, then each second until `total_seconds` after the first attempt."""

    retries: int = 1
    on: frozenset[str] = frozenset({"ct"})
    total_seconds: float = 0

    def delays(self) -> Iterator[float]:
        """Yield the seconds to wait before each further attempt; the caller keeps the time limit."""
        yield from [0.0] * self.retries
        delay = 0.25
        while self.total_seconds > 0:
            yield delay
            delay = min(1.0, delay * 2)

    @classmethod
    def of_fragment(cls, fragment: str) -> "RetryPolicy | None":
        """Return the policy that a URL asks for, as in `#rc=2&rp=5xx,ct`; None if it asks for none."""
        wanted = parse_qs(fragment)
        if not wanted.keys() & {"rc", "rp"}:
            return None
        count = wanted.get("rc", ["1"])[0]
        kinds = frozenset(wanted.get("rp", ["ct"])[0].split(","))
        if kinds == {"all"}:
            kinds = frozenset(get_args(Failure)) - {"bad"}
        return cls(min(int(count), MAX_RETRIES) if count.isdecimal() else 1, kinds - {"bad"})


PROVIDER_DEFAULT = RetryPolicy()
"""One retry, and only when no connection was made."""
PATIENT = RetryPolicy(on=frozenset({"ct", "rt"}), total_seconds=20)
"""Long enough for a server that is being restarted."""
