"""`GET /overview`, `GET /live`, `GET /calls` and `GET /calls/{call_sid}/live`."""

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.errors import UnknownCall
from web.api.endpoint import call_sid_in
from web.api.event_stream import EventStream, may_go_on
from web.api.key import check_key
from web.api.page_limit import limit_in
from web.ingress import Ingress
from web.live.call_query import call_query
from web.live.call_stream import CallWatches, call_events
from web.live.live_reader import LiveReader
from web.live.live_stream import live_events


async def show_overview(ingress: Ingress, request: Request) -> Response:
    """Answer with what goes on: health, findings, processes, how long turns take and who waits."""
    return JSONResponse(await _reader(request).overview(), headers={"Cache-Control": "no-store"})


async def follow_all(ingress: Ingress, request: Request) -> Response:
    """Answer with a stream of what goes on and of all calls, as they change."""
    return EventStream(live_events(_reader(request), partial(may_go_on, ingress, request)))


async def list_calls(ingress: Ingress, request: Request) -> Response:
    """Answer with a page of the active calls that fit the filters, newest first; `count` is how many are active."""
    limit = limit_in(request)
    whole_numbers = check_key(request, ingress.settings, "read").may("admin")
    query = call_query(request.query_params, whole_numbers=whole_numbers)
    live_calls = await _reader(request).calls()
    rows, following = query.page(live_calls.rows, limit)
    return JSONResponse({"calls": rows, "count": live_calls.active, "next": following})


async def follow_call(ingress: Ingress, request: Request) -> Response:
    """Answer with a stream of one call: its state after each commit, and what is said meanwhile."""
    call_sid = call_sid_in(request)
    if await ingress.runtime.states.get_state(call_sid) is None:
        raise UnknownCall
    watches = request.app.state.call_watches
    assert isinstance(watches, CallWatches)
    go_on = partial(may_go_on, ingress, request)
    return EventStream(call_events(watches, call_sid, go_on, ingress.timeouts.heartbeat))


def _reader(request: Request) -> LiveReader:
    reader = request.app.state.live_reader
    assert isinstance(reader, LiveReader)
    return reader
