"""`GET /incidents` and `GET /findings`: what happened to processes and Redis, and what is wrong now."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.incidents.incident import BadIncidentCursor
from web.api.page_limit import limit_in
from web.findings import findings_of
from web.ingress import Ingress
from web.problem_types import WRONG_FIELDS
from web.problems import Problem

LONGEST_CURSOR = 64


async def list_incidents(ingress: Ingress, request: Request) -> Response:
    """Answer with a page of the last day's incidents, newest first, each with the calls that noticed it; `next` is the
    `cursor` of the next page, or null. `unexplained` is what calls noticed meanwhile that none of them explains."""
    limit, cursor = limit_in(request), request.query_params.get("cursor", "")
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise BadIncidentCursor("This is no cursor of a page of incidents.")
        page = await ingress.runtime.incidents.log.page(limit, cursor)
    except BadIncidentCursor as error:
        raise Problem(WRONG_FIELDS, f"cursor: {error}") from None
    return JSONResponse(
        {
            "incidents": [it.described() for it in page.incidents],
            "next": page.cursor or None,
            "unexplained": [it.described() for it in page.unexplained],
        }
    )


async def list_findings(ingress: Ingress, request: Request) -> Response:
    """Answer with what is wrong now, the worst first: in a sentence, with what to do, since when, and which calls
    notice it."""
    return JSONResponse({"findings": await findings_of(request).described()})
