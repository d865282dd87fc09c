"""Every operation of the API, described. A test compares this table with the routes."""

from web.api.openapi import answers as to
from web.api.openapi import parameters as by
from web.api.openapi.operation import Answer, Operation
from web.api.record_stream import JSON_LINES
from web.api.signal_body import HangUpByHand, Say, Signal, TransferByHand
from web.api.stream import EVENT_STREAM
from web.api.text_turn import TextTurn
from web.outbound.outbound_call import OutboundCall

_STREAM = {EVENT_STREAM: "`token` (a JSON string) for each token, then one `reply` or `error`"}
_CALL_STREAM = {
    EVENT_STREAM: "`state` (as `GET /calls/{call_sid}`) after each commit, `running` when a turn begins to run "
    "(`turn_id`, `kind`, `text`, `since`, `said`), `said` as the agent speaks (`turn_id`, `start`, `text`), at last "
    "`gone`"
}
_LIVE_STREAM = {
    EVENT_STREAM: "`overview` (as `GET /overview`) when it has changed, and every five seconds; `calls` (`reset`, "
    "`changed`: lines as `GET /calls` has them, `gone`: call SIDs, `active`), all of them at first"
}
_PLACED = {
    "Location": "Where the state of the call is.",
    "Idempotent-Replayed": "`true` if an earlier request has placed the call.",
}
_ENTERS = (400, 404, 409, 410, 413, 415, 422, 503, 504)

_CALLS = (
    Operation(
        "GET", "/calls", "List the active calls", {200: Answer("A page", to.Calls)}, (422, 503),
        (*by.CALL_FILTERS, by.NEXT, by.LIMIT),
    ),
    Operation(
        "POST", "/calls", "Place a call", {201: Answer("The call rings", to.CallPlaced, headers=_PLACED)},
        (400, 403, 409, 413, 415, 422, 501, 502, 503), (by.IDEMPOTENCY_KEY,), OutboundCall,
        {"to": "+15551234567", "slots": {"name": "Ada"}},
    ),
    Operation(
        "GET", "/calls/{call_sid}", "Show one call", {200: Answer("Its state", to.Call)}, (400, 404, 500, 503),
    ),
    Operation(
        "GET", "/calls/{call_sid}/live", "Follow one call",
        {200: Answer("Until it is deleted", media_types=_CALL_STREAM)},
        (400, 404, 500, 503),
    ),
    Operation(
        "DELETE", "/calls/{call_sid}", "End a call and erase it", {204: Answer("It is gone")},
        (400, 404, 409, 502, 503),
    ),
    Operation(
        "POST", "/calls/{call_sid}/turns", "Talk by text",
        {200: Answer("The reply; token by token if the client accepts that", to.TurnAnswer, _STREAM)},
        (400, 403, 409, 410, 413, 415, 422, 503, 504), (), TextTurn, {"turn_id": "t1", "text": "hello"},
    ),
    Operation(
        "POST", "/calls/{call_sid}/signals", "Tell the agent something",
        {200: Answer("Its reply", to.SignalAnswer, _STREAM)}, _ENTERS, (), Signal,
        {"signal_id": "s1", "name": "doctor_late", "data": {"minutes": 20}},
    ),
    Operation(
        "POST", "/calls/{call_sid}/say", "Say something to the caller",
        {200: Answer("How it was recorded", to.SignalAnswer, _STREAM)}, _ENTERS, (), Say,
        {"signal_id": "s2", "text": "We close in five minutes."},
    ),
    Operation(
        "POST", "/calls/{call_sid}/transfer", "Connect the caller with somebody",
        {200: Answer("How it was recorded", to.SignalAnswer, _STREAM)}, _ENTERS, (), TransferByHand,
        {"signal_id": "s3", "to": "+15551234567", "then": "return"},
    ),
    Operation(
        "POST", "/calls/{call_sid}/hang-up", "End the call politely",
        {200: Answer("How it was recorded", to.SignalAnswer, _STREAM)}, _ENTERS, (), HangUpByHand,
        {"signal_id": "s4", "reason": "closing time"},
    ),
)  # fmt: skip

_LIVE = (
    Operation("GET", "/overview", "Show what goes on", {200: Answer("As it is now", to.Overview)}, tag="live"),
    Operation(
        "GET", "/live", "Follow what goes on", {200: Answer("Until the client leaves", media_types=_LIVE_STREAM)},
        tag="live",
    ),
)  # fmt: skip

_DEAD = (400, 404, 503)
_DEAD_LETTERS = (
    Operation(
        "GET", "/dead-letters", "List the turns that were given up", {200: Answer("A page", to.DeadLetters)},
        (422, 503), (by.CURSOR, by.LIMIT), tag="dead letters",
    ),
    Operation(
        "GET", "/dead-letters/{call_sid}/{turn_id}", "Show a dead letter", {200: Answer("The letter", to.DeadLetter)},
        _DEAD, tag="dead letters",
    ),
    Operation(
        "POST", "/dead-letters/{call_sid}/{turn_id}/run", "Run the turn again",
        {200: Answer("The reply, which nobody hears", to.TurnAnswer)}, (*_DEAD, 409, 504), tag="dead letters",
    ),
    Operation(
        "DELETE", "/dead-letters/{call_sid}/{turn_id}", "Throw a dead letter away", {204: Answer("It is gone")}, _DEAD,
        tag="dead letters",
    ),
)  # fmt: skip

_EVENT = (400, 404, 422, 503)
_EVENTS = (
    Operation(
        "GET", "/events", "List what is not delivered", {200: Answer("A page", to.DeliveriesPage)},
        (400, 404, 422, 503), (by.STATE, by.SINK, by.OF_CALL, by.CURSOR, by.LIMIT), tag="events",
    ),
    Operation(
        "GET", "/events/{call_sid}", "List what is not delivered of a call",
        {200: Answer("Its deliveries", to.Deliveries)}, _EVENT, tag="events",
    ),
    Operation(
        "GET", "/events/{call_sid}/{position}", "Show an event", {200: Answer("The event", to.EventShown)}, _EVENT,
        (by.SINK,), tag="events",
    ),
    Operation(
        "DELETE", "/events/{call_sid}/{position}", "Deliver an event no more",
        {200: Answer("For how many sinks", to.Dropped)}, _EVENT, (by.SINK,), tag="events",
    ),
    Operation(
        "POST", "/events/{call_sid}/{position}/replay", "Deliver a dead event again",
        {200: Answer("For how many sinks", to.Replayed)}, (*_EVENT, 409), (by.SINK,), tag="events",
    ),
    Operation(
        "POST", "/sinks/{sink}/retry", "Try at once what is pending for a sink",
        {200: Answer("For how many calls", to.Retried)}, (404, 422, 503), tag="events",
    ),
    Operation(
        "POST", "/sinks/{sink}/resume", "Deliver again to a sink that wanted no more", {204: Answer("It is resumed")},
        (404, 422, 503), tag="events",
    ),
)  # fmt: skip

_RECORDS = (
    Operation(
        "GET", "/records", "Search the archive",
        {200: Answer("A page; all records whole, a line each, if the client accepts that", to.RecordsPage,
                     dict.fromkeys(JSON_LINES, "One whole record a line"))},
        (400, 422, 501, 503), (*by.RECORD_FILTERS, by.CURSOR, by.LIMIT), tag="records",
    ),
    Operation(
        "GET", "/records/{call_sid}", "Show a record", {200: Answer("The record", to.CallRecord)},
        (400, 404, 422, 501, 503), (by.STARTED_AT,), tag="records",
    ),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (*_CALLS, *_LIVE, *_DEAD_LETTERS, *_EVENTS, *_RECORDS)
"""All but those of the rollout and of health, which `system_operations` has."""
