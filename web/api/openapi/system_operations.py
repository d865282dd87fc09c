"""The operations that are about the system: its processes, the rollout of versions, its history, and health."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from web.api.openapi import history_answers as of_history
from web.api.openapi import parameters as by
from web.api.openapi import system_answers as to
from web.api.openapi.operation import Answer, Operation
from web.api.session import SessionKey


class _Change(BaseModel):
    """A change of the plan. With `revision`, only if the plan still has that one."""

    model_config = ConfigDict(extra="forbid")

    revision: int | None = Field(default=None, ge=0, lt=10**15)


class Ramp(_Change):
    """Let a version have a percentage of the new calls."""

    version: str = Field(min_length=1, max_length=100)
    percent: float = Field(gt=0, le=100)


class Promote(_Change):
    """Let a version have all new calls; without `version` the one that is ramped."""

    version: str | None = Field(default=None, min_length=1, max_length=100)


class RollBack(_Change):
    """Take a version back that is ramped, or was promoted last."""


class Clear(_Change):
    """Have no plan: any version gets new calls."""


_CHANGED = {200: Answer("The plan, and each version", to.Rollout)}
_CHANGES: tuple[tuple[str, str, type[BaseModel], dict[str, Any]], ...] = (
    ("ramp", "Give a version a share of the new calls", Ramp, {"version": "2026-11-27", "percent": 5}),
    ("promote", "Give a version all new calls", Promote, {"version": "2026-11-27"}),
    ("roll-back", "Take a version back", RollBack, {}),
    ("clear", "Have no plan", Clear, {}),
)
_HEALTH = (
    ("/livez", "Whether this process runs", to.Health),
    ("/readyz", "Whether calls can be answered", to.Health),
    ("/health", "The health in one word", to.Health),
    ("/health/detailed", "The health in detail", to.HealthInDetail),
)

_COOKIE = {"Set-Cookie": "The session: `HttpOnly`, `SameSite=Strict`, for this server alone."}
SESSION = (
    Operation(
        "POST", "/session", "Give a key for a cookie",
        {200: Answer("Who that is", to.SessionShown, headers=_COOKIE)}, (400, 401, 403, 413, 415, 422, 429), (),
        SessionKey, {"key": "va_the_key_that_you_were_given"}, tag="session",
    ),
    Operation(
        "GET", "/session", "Ask who you are", {200: Answer("Who sends the request", to.SessionShown)}, (401, 403, 503),
        tag="session",
    ),
    Operation(
        "DELETE", "/session", "Forget the cookie", {204: Answer("It is forgotten", headers=_COOKIE)}, (403,),
        tag="session",
    ),
)  # fmt: skip

ROLLOUT = (
    Operation(
        "GET", "/rollout", "Show the versions of the workers", {200: Answer("The plan, and each version", to.Rollout)},
        (404, 503), tag="rollout",
    ),
    *(
        Operation(
            "POST", f"/rollout/{command}", summary, _CHANGED, (400, 404, 409, 413, 415, 422, 503), (), body, example,
            is_body_optional=not body.model_json_schema().get("required"), tag="rollout",
        )
        for command, summary, body, example in _CHANGES
    ),
)  # fmt: skip
PROCESSES = (
    Operation(
        "GET", "/processes", "List the processes", {200: Answer("All of them", to.Processes)}, (503,), tag="processes"
    ),
    Operation(
        "POST", "/workers/{worker_id}/drain", "Tell a worker to drain",
        {202: Answer("It finishes its turns, takes no more, and ends", to.Drained)}, (404, 503), tag="processes",
    ),
)  # fmt: skip
HISTORY = (
    Operation(
        "GET", "/history", "Show the last hours in figures",
        {200: Answer("The points, the oldest first", of_history.History)},
        (422, 503), (by.HOURS, by.STEP), tag="health",
    ),
)  # fmt: skip
INCIDENTS = (
    Operation(
        "GET", "/incidents", "List what happened to processes and Redis", {200: Answer("A page", to.Incidents)},
        (422, 503), (by.INCIDENT_CURSOR, by.LIMIT), tag="incidents",
    ),
    Operation(
        "GET", "/findings", "Say what is wrong now", {200: Answer("All of it", to.Findings)}, (503,), tag="incidents"
    ),
)  # fmt: skip
HEALTH = tuple(
    Operation("GET", path, summary, {200: Answer("It is", model), 503: Answer("It is not", model)}, tag="health")
    for path, summary, model in _HEALTH
)
