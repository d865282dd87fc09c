"""When the earlier connections of a call were open. Each new session gets this from the TwiML that asks for it."""

import math
from dataclasses import dataclass

MAX_CONNECTIONS = 5


@dataclass(frozen=True, slots=True)
class ConnectionHistory:
    """`spans` are begin and end of each connection in Unix seconds, oldest first. Empty for a call that begins."""

    spans: tuple[tuple[float, float], ...] = ()

    @property
    def any(self) -> bool:
        """True if the call had a connection before."""
        return bool(self.spans)

    def with_lost(self, begin: float, end: float) -> "ConnectionHistory":
        """Return this history and one more connection, which was lost at `end`."""
        return ConnectionHistory((*self.spans, (begin, max(begin, end)))[-MAX_CONNECTIONS:])

    def spoken_seconds(self, produced_at: float, uncertain_until: float = -math.inf) -> float:
        """Return for how long, at least, a reply produced at `produced_at` was spoken on one of the connections.

        Before `uncertain_until` it is not certain that the reply reached its connection. Both are Unix seconds. The
        result is negative if all connections ended before, and 0 without connections.
        """
        return max((end - max(begin, produced_at, uncertain_until) for begin, end in self.spans), default=0.0)

    def __str__(self) -> str:
        return " ".join(f"{begin:.3f}-{end:.3f}" for begin, end in self.spans)


def read_history(text: str) -> ConnectionHistory:
    """Return the history that `str` has written as `text`. Spans that cannot be read are left out."""
    spans = (_span(part) for part in text.split(" ")[-MAX_CONNECTIONS:])
    return ConnectionHistory(tuple(span for span in spans if span is not None))


def _span(text: str) -> tuple[float, float] | None:
    begin, _, end = text.partition("-")
    try:
        span = float(begin), float(end)
    except ValueError:
        return None
    return span if math.isfinite(span[0]) and math.isfinite(span[1]) and span[0] <= span[1] else None
