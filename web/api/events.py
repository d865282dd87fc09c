"""The events that are not delivered: `GET /events`, and what is done about one of them.

A delivery is one event for one sink. Its event is named by the call and its `position` there; `?sink=` narrows what is
done to one sink.
"""

import asyncio
from typing import cast, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.events.listing import State, Wanted, described, find_page, key_of
from orchestrator.events.outbox import Outbox, Undelivered
from web.api.endpoint import call_sid_in
from web.api.page_limit import limit_in
from web.ingress import Ingress
from web.problem_types import WRONG_FIELDS
from web.problems import Problem

LONGEST_SINK = 256
MOST_DIGITS = 15
NO_EVENT = "No such event waits: it was delivered, or dropped, or never was."
NO_OUTBOX = "No events are kept here: set EVENTS_WEBHOOK_URL, or another sink."
NOT_DEAD = "Only a dead event can be replayed; what is pending is delivered anyway."


async def list_events(ingress: Ingress, request: Request) -> Response:
    """Answer with a page of the deliveries that are pending or dead; `next_cursor` is null after the last."""
    query = request.query_params
    call_sid = query.get("call_sid", "")
    wanted = Wanted(
        _state(query.get("state", "")), _sink(query.get("sink", "")), call_sid and checked_call_sid(call_sid)
    )
    limit = limit_in(request)
    page = await find_page(_outbox(ingress), wanted, query.get("cursor", ""), limit)
    events = [described(it) for it in page.deliveries]
    return JSONResponse({"events": events, "next_cursor": page.next_cursor or None})


async def list_call_events(ingress: Ingress, request: Request) -> Response:
    """Answer with all deliveries of a call that are pending or dead; with none if it has none."""
    found = await _outbox(ingress).undelivered(call_sid_in(request))
    return JSONResponse({"events": [described(it) for it in found]})


async def show_event(ingress: Ingress, request: Request) -> Response:
    """Answer with an event, as its sinks get it, and its deliveries."""
    found = await _deliveries(ingress, request)
    event = found[0].entry.event.model_dump(mode="json")
    return JSONResponse({"event": event, "deliveries": [described(it) for it in found]})


async def replay_event(ingress: Ingress, request: Request) -> Response:
    """Deliver an event again, under its id, to those that it is dead for. Answer 409 if it is dead for none."""
    outbox = _outbox(ingress)
    done = [await outbox.replay(*key_of(it)) for it in await _deliveries(ingress, request)]
    if not any(done):
        raise HTTPException(409, NOT_DEAD)
    return JSONResponse({"replayed": sum(done)})


async def drop_event(ingress: Ingress, request: Request) -> Response:
    """Deliver an event no more, pending or dead."""
    outbox = _outbox(ingress)
    done = [await outbox.drop(*key_of(it)) for it in await _deliveries(ingress, request)]
    return JSONResponse({"dropped": sum(done)})


async def retry_sink(ingress: Ingress, request: Request) -> Response:
    """Try at once what is pending for a sink. Answer with the number of calls whose next attempt was later."""
    outbox, sink, cursor, retried = _outbox(ingress), _sink(request.path_params["sink"]), "", 0
    while True:
        tallies, cursor = await outbox.survey(cursor)
        waiting = [it.call_sid for it in tallies if sink in it.sinks and it.sinks[sink].pending]
        retried += sum(await asyncio.gather(*(outbox.retry(call_sid, sink) for call_sid in waiting)))
        if not cursor:
            return JSONResponse({"calls": retried})


async def resume_sink(ingress: Ingress, request: Request) -> Response:
    """Deliver to a sink again that wanted no more events. Answer 404 if it was not stopped."""
    if not await _outbox(ingress).resume_sink(_sink(request.path_params["sink"])):
        raise HTTPException(404, "No sink of this name is stopped.")
    return Response(status_code=204)


async def _deliveries(ingress: Ingress, request: Request) -> list[Undelivered]:
    """Return the deliveries of the event in the path that are not made. Answer 404 if there is none."""
    text = request.path_params["position"]
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS):
        raise HTTPException(404, NO_EVENT)
    sink = _sink(request.query_params.get("sink", ""))
    found = [
        it
        for it in await _outbox(ingress).undelivered(call_sid_in(request))
        if it.entry.position == int(text) and sink in ("", it.sink)
    ]
    if not found:
        raise HTTPException(404, NO_EVENT)
    return found


def _outbox(ingress: Ingress) -> Outbox:
    outbox = ingress.runtime.outbox
    if outbox is None:
        raise HTTPException(404, NO_OUTBOX)
    return outbox


def _sink(name: str) -> str:
    """Return the name of a sink. Answer 422 to what no sink is called."""
    if len(name) > LONGEST_SINK or not name.isprintable():
        raise Problem(WRONG_FIELDS, f"sink must be the name of a sink: at most {LONGEST_SINK} printable characters.")
    return name


def _state(text: str) -> State:
    if text not in get_args(State):
        raise HTTPException(422, "state must be pending or dead.")
    return cast(State, text)
