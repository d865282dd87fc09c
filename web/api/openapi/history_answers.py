"""What `GET /history` answers with, as models: they describe, and check nothing."""

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class StageTimes(_Answer):
    """How long after their arrival turns reached a stage; null if none did."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    count: int


class HistoryPoint(_Answer):
    """What was counted from `at` until the next point."""

    at: str = Field(json_schema_extra={"format": "date-time"})
    calls_started: int
    calls_ended: int
    active: int | None
    turns: int
    outcomes: dict[str, int]
    unanswered: int
    stages: dict[str, StageTimes]
    fillers: int
    held: int
    rescues: int
    duplicates: int
    dead_letters: int
    queue_depth: int | None
    oldest_wait_seconds: float | None
    utilization: float | None
    workers: int | None
    errors: int


class History(_Answer):
    """The last hours, in steps of so many seconds."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    step: int
    from_: str = Field(alias="from", json_schema_extra={"format": "date-time"})
    to: str = Field(json_schema_extra={"format": "date-time"})
    points: list[HistoryPoint]
