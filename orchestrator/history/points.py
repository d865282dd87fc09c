"""What a step of the history tells: a point of its charts, made of the minutes in it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.history.amounts import MAX, MIN, Amounts, all_merged
from orchestrator.history.counted import STAGES
from orchestrator.history.percentiles import percentiles_ms

ACTIVE, QUEUE_DEPTH, OLDEST_WAIT = MAX + "active", MAX + "queue_depth", MAX + "oldest_wait_seconds"
WORKERS = MIN + "workers"
BUSY, SAMPLES = "utilization.sum", "utilization.samples"
_OUTCOME, _STAGE = "turns.", "stage."


def sample_of(
    *,
    active: float | None = None,
    workers: float | None = None,
    queue_depth: float | None = None,
    oldest_wait_seconds: float | None = None,
    utilization: float | None = None,
) -> Amounts:
    """Return what describes the system now, as the history has it. None stands for what is not known."""
    known = {ACTIVE: active, WORKERS: workers, QUEUE_DEPTH: queue_depth, OLDEST_WAIT: oldest_wait_seconds}
    amounts = {name: float(value) for name, value in known.items() if value is not None}
    return amounts if utilization is None else amounts | {BUSY: utilization, SAMPLES: 1.0}


def time_text(moment: float) -> str:
    """Return a moment (Unix seconds) as ISO 8601."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def point(at: int, minutes: Iterable[Mapping[str, float]]) -> dict[str, Any]:
    """Return the point of the step that began `at` (Unix seconds) and has these minutes.

    What nobody counted is 0, and what nobody read is None.
    """
    amounts = all_merged(minutes)
    outcomes = {name.removeprefix(_OUTCOME): int(count) for name, count in amounts.items() if name.startswith(_OUTCOME)}
    return {
        "at": time_text(at),
        "calls_started": _count(amounts, "calls.started"),
        "calls_ended": _count(amounts, "calls.ended"),
        "active": _whole(amounts, ACTIVE),
        "turns": sum(outcomes.values()),
        "outcomes": dict(sorted(outcomes.items())),
        "unanswered": _count(amounts, "unanswered"),
        "stages": _stages(amounts),
        **{name: _count(amounts, name) for name in ("fillers", "held", "rescues", "duplicates", "dead_letters")},
        "queue_depth": _whole(amounts, QUEUE_DEPTH),
        "oldest_wait_seconds": _rounded(amounts.get(OLDEST_WAIT)),
        "utilization": _utilization(amounts),
        "workers": _whole(amounts, WORKERS),
        "errors": _count(amounts, "errors"),
    }


def _stages(amounts: Amounts) -> dict[str, dict[str, float | None]]:
    counts: dict[str, dict[float, float]] = {stage: {} for stage in STAGES}
    for name, count in amounts.items():
        if name.startswith(_STAGE) and count > 0:
            stage, _, limit = name.removeprefix(_STAGE).partition(".")
            if stage in counts and (seconds := _seconds(limit)) is not None:
                counts[stage][seconds] = count
    return {stage: {**percentiles_ms(found), "count": int(sum(found.values()))} for stage, found in counts.items()}


def _seconds(limit: str) -> float | None:
    try:
        seconds = float(limit)
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _count(amounts: Amounts, name: str) -> int:
    return int(amounts.get(name, 0))


def _whole(amounts: Amounts, name: str) -> int | None:
    value = amounts.get(name)
    return None if value is None else int(value)


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _utilization(amounts: Amounts) -> float | None:
    samples = amounts.get(SAMPLES, 0)
    return _rounded(amounts.get(BUSY, 0) / samples) if samples > 0 else None
