"""`GET /records` and `GET /records/{call_sid}`: the archive of calls."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.errors import NoArchive
from orchestrator.records.record_query import life_in, record_query
from web.api.client_presence import while_connected
from web.api.endpoint import call_sid_in
from web.api.record_stream import JSON_LINES, RecordStream
from web.ingress import Ingress
from web.problems import as_problem

if TYPE_CHECKING:  # its import wants the extra `postgres`
    from orchestrator.records.archive import Archive


async def list_records(ingress: Ingress, request: Request) -> Response:
    """Answer with a page of records without their turns, newest first; with all of them whole, as lines of JSON, if
    that is what the client accepts."""
    archive, query = _archive(request), record_query(request.query_params)
    accepted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    if media_type := next((each for each in JSON_LINES if each in accepted), None):
        return RecordStream(archive, query, media_type)
    page = await while_connected(request.receive, archive.page(query))
    return JSONResponse({"records": page.records, "next_cursor": page.cursor})


async def show_record(ingress: Ingress, request: Request) -> Response:
    """Answer with the whole record of a call: of its latest life, or of the one that began at `started_at`."""
    archive, call_sid = _archive(request), call_sid_in(request)
    life = life_in(request.query_params)
    record = await while_connected(request.receive, archive.record(call_sid, life))
    return Response(record, media_type="application/json")


def _archive(request: Request) -> "Archive":
    archive: Archive | None = request.app.state.archive
    if archive is None:
        raise as_problem(NoArchive())
    return archive
