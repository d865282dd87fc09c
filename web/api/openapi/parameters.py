"""The parameters of the API's requests, as OpenAPI describes them."""

from typing import Any

from orchestrator.history.reader import MOST_HOURS
from orchestrator.records.record_query import LONGEST_CURSOR
from web.api.events import LONGEST_SINK
from web.api.outbound import MAX_KEY_CHARACTERS
from web.api.page_limit import DEFAULT_LIMIT, MAX_LIMIT
from web.live.call_row import HEALTHS

Parameter = dict[str, Any]
CALL_SID_PATTERN = r"^[!-.0-z|~]{1,256}$"
"""Of ASCII; other letters are good, too, up to 256 bytes."""
SINK_PATTERN = rf"^[!-.0-~]{{1,{LONGEST_SINK}}}$"


def _parameter(place: str, name: str, about: str, schema: dict[str, Any], **more: Any) -> Parameter:
    return {"name": name, "in": place, "description": about, "schema": schema, **more}


def _query(name: str, about: str, **schema: Any) -> Parameter:
    return _parameter("query", name, about, {"type": "string", **schema})


def _path(name: str, about: str, example: str, **schema: Any) -> Parameter:
    return _parameter("path", name, about, {"type": "string", **schema}, required=True, example=example)


CALL_SID = _path(
    "call_sid", "The call: 1 to 256 bytes of text without braces or control characters.", "demo-1",
    pattern=CALL_SID_PATTERN,
)  # fmt: skip
POSITION = _path(
    "position", "The place of the event in its call, as `GET /events` tells it.", "1", pattern=r"^[0-9]{1,15}$"
)
SINK_NAME = _path("sink", "The name of a sink, as `GET /events` tells it.", "webhook", pattern=SINK_PATTERN)
WORKER_ID = _path(
    "worker_id", "The worker, as `GET /processes` tells it.", "0f8fad5bd9cb469fa165b70867728950",
    pattern=r"^[0-9a-f]{1,64}$",
)  # fmt: skip
TURN_ID = _path("turn_id", "The turn, as `GET /dead-letters` tells it.", "turn-3", pattern=r"^[!-.0-~]{1,256}$")
PATH = {parameter["name"]: parameter for parameter in (CALL_SID, TURN_ID, POSITION, SINK_NAME, WORKER_ID)}

LIMIT = _parameter(
    "query", "limit", "At most so many.",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)  # fmt: skip
CURSOR = _query("cursor", "The `next_cursor` of the page before; without it the first page.", maxLength=LONGEST_CURSOR)
NEXT = _query("cursor", "The `next` of the page before; without it the first page.", maxLength=LONGEST_CURSOR)
CALL_FILTERS = (
    _query("number", "Digits of the caller's number, or the called one; of masked numbers those that are shown.",
           pattern=r"^(\+?[0-9]{1,20})?$"),
    _query("agent", "The name of the agent that has the call.", pattern=r"^[A-Za-z0-9_.-]{0,100}$"),
    _query("tenant", "Whose calls.", pattern=r"^[A-Za-z0-9_.-]{0,100}$"),
    _query("version", "The version of the workers that the call is pinned to.", pattern=r"^[A-Za-z0-9_.-]{0,100}$"),
    _query("health", "How healthy the call is.", enum=list(HEALTHS)),
)  # fmt: skip
INCIDENT_CURSOR = _query(
    "cursor", "The `next` of the page before; without it the first page.", maxLength=LONGEST_CURSOR
)
SINK = _query("sink", "Only what is meant for this sink.", maxLength=LONGEST_SINK)
STATE = _query("state", "Only what waits for its next attempt, or only what was given up.", enum=["pending", "dead"])
OF_CALL = _query("call_sid", "Only what belongs to this call.", pattern=CALL_SID_PATTERN.replace("{1,", "{0,"))
STARTED_AT = _query("started_at", "Which life of the call; without it the latest.", format="date-time")
HOURS = _parameter(
    "query", "hours", "How far back.", {"type": "integer", "minimum": 1, "maximum": MOST_HOURS, "default": 1}
)
STEP = _parameter("query", "step", "Seconds from one point to the next.", {"enum": [60, 300, 900], "default": 60})
IDEMPOTENCY_KEY = _parameter(
    "header", "Idempotency-Key", "Equal requests with the same key get the same call for a day.",
    {"type": "string", "pattern": rf"^[A-Za-z0-9_.:-]{{1,{MAX_KEY_CHARACTERS}}}$"},
)  # fmt: skip

RECORD_FILTERS = (
    _query("from", "Calls that began at this time or later.", format="date-time"),
    _query("to", "Calls that began before this time.", format="date-time"),
    OF_CALL,
    _query("number", "The caller's number, or the called one.", pattern=r"^\+?[0-9]{1,20}$"),
    _query("agent", "The name of the agent that had the call at its end.", pattern=r"^[A-Za-z0-9_.-]{1,100}$"),
    _query("tenant", "Whose calls.", pattern=r"^[A-Za-z0-9_.-]{1,100}$"),
    _query("outcome", "The status with which calls ended, or `active`.", pattern=r"^[a-z-]{1,40}$"),
    _query("text", "Words that were said.", pattern=r"^[A-Za-z0-9 ]{0,99}[A-Za-z0-9]$"),
)
