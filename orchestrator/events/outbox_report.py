"""What is known of all outboxes together: written by the survey, read by health, metrics and the doctor."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.events.outbox import CallTally, SinkTally, StoppedSink


class SinkReport(BaseModel):
    """What one sink has not got.

    `oldest_seconds` is the age of its oldest pending event. `overdue_seconds` is how long ago an attempt was due that
    nobody has made. A sink that is `stopped` wants no events until it is resumed.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    pending: int = 0
    dead: int = 0
    oldest_seconds: float = 0.0
    overdue_seconds: float = 0.0
    stopped: bool = False


class OutboxReport(BaseModel):
    """The outboxes of all calls, as they were `at` (Unix seconds, the server's clock).

    `calls` are those that are open or have events. `dead` counts deliveries: an event that two sinks refused counts
    twice. `sinks` are those that the process delivers to, and others whose events nobody has taken.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    at: float
    calls: int = 0
    events: int = 0
    bytes: int = 0
    max_bytes: int = 0
    oldest_seconds: float = 0.0
    dead: int = 0
    sinks: dict[str, SinkReport] = Field(default_factory=dict)

    @property
    def pending(self) -> int:
        """Return how many deliveries are pending."""
        return sum(sink.pending for sink in self.sinks.values())


def read_report(text: bytes | str | None) -> OutboxReport | None:
    """Return the report in `text`, or None if there is none, or none that this version can read."""
    try:
        return None if text is None else OutboxReport.model_validate_json(text)
    except ValidationError:
        return None


@dataclass(slots=True)
class ReportBuilder:
    """Adds up the tallies of calls, as they are `at`."""

    at: float
    sinks: dict[str, SinkReport] = field(default_factory=dict)
    calls: int = 0
    events: int = 0
    bytes: int = 0

    def add(self, tally: CallTally) -> None:
        """Count one call."""
        self.calls += 1
        self.events += tally.events
        self.bytes += tally.bytes
        for name, sink in tally.sinks.items():
            self.sinks[name] = self._sum(self.sinks.get(name, SinkReport()), sink)

    def build(self, *, max_bytes: int, stopped: Iterable[StoppedSink] = ()) -> OutboxReport:
        """Return the report. `stopped` are the sinks that want no events any more."""
        for each in stopped:
            found = self.sinks.get(each.sink, SinkReport())
            self.sinks[each.sink] = found.model_copy(update={"stopped": True, "overdue_seconds": 0.0})
        return OutboxReport(
            at=self.at,
            calls=self.calls,
            events=self.events,
            bytes=self.bytes,
            max_bytes=max_bytes,
            oldest_seconds=max((sink.oldest_seconds for sink in self.sinks.values()), default=0.0),
            dead=sum(sink.dead for sink in self.sinks.values()),
            sinks=dict(sorted(self.sinks.items())),
        )

    def _sum(self, so_far: SinkReport, tally: SinkTally) -> SinkReport:
        return SinkReport(
            pending=so_far.pending + tally.pending,
            dead=so_far.dead + tally.dead,
            oldest_seconds=max(so_far.oldest_seconds, self._since(tally.oldest_at)),
            overdue_seconds=max(so_far.overdue_seconds, self._since(tally.due_at)),
        )

    def _since(self, moment: float | None) -> float:
        return 0.0 if moment is None else round(max(0.0, self.at - moment), 3)
