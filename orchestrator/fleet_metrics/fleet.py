"""What is known of the workers: what each does, and what all have counted."""

from dataclasses import dataclass, field
from typing import Any

from orchestrator.process_metrics.families import Counts


@dataclass(frozen=True)
class Fleet:
    """What the workers report.

    - `counts`: what all of them have counted, those that are gone included;
    - `began`: names the counts: with another value they began anew;
    - `workers`: what each reports of itself (`orchestrator.health.workers`);
    """

    counts: Counts
    began: str
    workers: list[dict[str, Any]]


@dataclass
class RisingCounts:
    """The highest counts that this process has seen.

    A failover may lose the last reports. A counter that falls looks to `rate()` as if it had begun anew, and as if all
    that it says had been counted since. So what was shown once stays, until the counts do begin anew.
    """

    _began: str = ""
    _counts: Counts = field(default_factory=dict)

    def of(self, fleet: Fleet) -> Counts:
        """Return the counts to show."""
        known = self._counts if fleet.began == self._began else {}
        self._began = fleet.began
        self._counts = {key: max(known.get(key, 0), fleet.counts.get(key, 0)) for key in known | fleet.counts}
        return dict(self._counts)
