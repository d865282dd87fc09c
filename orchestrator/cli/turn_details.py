"""How a turn was carried out, as lines for a person: by whom, what it has survived, and where its time went."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from orchestrator.cli.colors import Colors
from orchestrator.cli.drain_progress import SHOWN_ID
from orchestrator.cli.transcript import printable
from orchestrator.cli.units import duration
from orchestrator.conversation import timings
from orchestrator.conversation.faults import Fault
from orchestrator.conversation.state import ConversationState, TurnRecord

BAR_WIDTH = 32
NAME_WIDTH = 13
SPANS = (
    ("submit", timings.SUBMITTED),
    ("queue", timings.CLAIMED),
    ("first token", timings.FIRST_TOKEN),
    ("rest of reply", timings.FINISHED),
    ("commit", timings.COMMITTED),
)
"""What a turn does one after the other, each with the stage that it ends with."""
MOMENTS = (("first sent", timings.FIRST_SENT), ("first heard", timings.FIRST_HEARD))
"""What happens beside that."""


def turn_details(record: TurnRecord, colors: Colors) -> Iterator[str]:
    """Yield who ran the turn, a line for each stage that it has reached, and what it has survived."""
    yield colors(printable(" · ".join(_facts(record))), "dim")
    yield from waterfall(record.timings, colors)
    yield from (colors(f"survived {printable(_survived(fault))}", "yellow") for fault in record.absorbed)


def waterfall(stages: Mapping[str, float], colors: Colors) -> Iterator[str]:
    """Yield a line for each stage: a bar from when the one before was reached, and how long it took."""
    longest, began = max(stages.values(), default=0.0), 0.0
    for name, stage in SPANS:
        if stage in stages:
            took = stages[stage] - began
            yield _row(name, colors(_bar(began, stages[stage], longest), "cyan"), f"{took:,.1f} ms")
            began = stages[stage]
    for name, stage in MOMENTS:
        if stage in stages:
            yield _row(name, colors(_point(stages[stage], longest), "cyan"), f"at {stages[stage]:,.1f} ms")


def pending(state: ConversationState, now: datetime) -> Iterator[str]:
    """Yield what is still to come in the call: timers that are set, and activities that run."""
    for name, timer in state.timers.items():
        left = (timer.due_at - now).total_seconds()
        yield f"timer {name}: {f'in {duration(left)}' if left > 0 else 'is due'} ({timer.turn_id})"
    for name, activity in state.activities.items():
        yield f"activity {name}: runs for {duration((now - activity.started_at).total_seconds())} ({activity.function})"


def _facts(record: TurnRecord) -> Iterator[str]:
    yield record.turn_id
    yield record.kind
    yield f"{record.received_at.astimezone():%H:%M:%S}"
    if record.worker:
        yield f"worker {record.worker[:SHOWN_ID]}"
    yield f"epoch {record.epoch}"
    if record.attempts > 1:
        yield f"attempt {record.attempts}"
    if record.reason:
        yield record.reason


def _survived(fault: Fault) -> str:
    whose = f" of {fault.process[:SHOWN_ID]}" if fault.process else ""
    longer = f": {fault.lost_ms:,.0f} ms longer" if fault.lost_ms else ""
    return f"{fault.fault.replace('_', ' ')}{whose}{longer}"


def _row(name: str, bar: str, text: str) -> str:
    return f"{name:<{NAME_WIDTH}}  {bar}  {text}"


def _bar(began: float, ended: float, longest: float) -> str:
    first = _column(began, longest)
    last = max(_column(ended, longest), first + 1)
    return f"{' ' * first}{'━' * (last - first)}".ljust(BAR_WIDTH + 1)


def _point(at: float, longest: float) -> str:
    return f"{' ' * _column(at, longest)}╹".ljust(BAR_WIDTH + 1)


def _column(at: float, longest: float) -> int:
    """Return in which column a moment is: of 0 to `BAR_WIDTH`."""
    return round(BAR_WIDTH * max(at, 0.0) / longest) if longest > 0 else 0
