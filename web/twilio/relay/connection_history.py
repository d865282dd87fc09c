"""The earlier lines of a call: when each was open, as the TwiML that asks for the next one tells its session."""

import math
from dataclasses import dataclass

MOST = 5


@dataclass(frozen=True, slots=True)
class ConnectionHistory:
    """`spans` are begin and end of each, in Unix seconds, the last one at the end. Without any the call begins."""

    spans: tuple[tuple[float, float], ...] = ()

    @property
    def any(self) -> bool:
        """Whether there was one: the call goes on."""
        return bool(self.spans)

    def with_lost(self, begin: float, end: float) -> "ConnectionHistory":
        """With one more, that has been lost."""
        return ConnectionHistory((*self.spans, (begin, max(begin, end)))[-MOST:])

    def spoken_seconds(self, there_at: float, quiet_until: float = -math.inf) -> float:
        """For how many seconds, at least, a reply that was there at `there_at` was spoken on one of them.

        Until `quiet_until` nobody is sure that it reached its line.
        """
        return max((end - max(begin, there_at, quiet_until) for begin, end in self.spans), default=0.0)

    def __str__(self) -> str:
        return " ".join(f"{begin:.3f}-{end:.3f}" for begin, end in self.spans)


def read_history(text: str) -> ConnectionHistory:
    """What `str` of them has given; what cannot be read is left out."""
    spans = (_span(part) for part in text.split(" ")[-MOST:])
    return ConnectionHistory(tuple(span for span in spans if span is not None))


def _span(text: str) -> tuple[float, float] | None:
    begin, _, end = text.partition("-")
    try:
        span = float(begin), float(end)
    except ValueError:
        return None
    return span if math.isfinite(span[0]) and math.isfinite(span[1]) and span[0] <= span[1] else None
