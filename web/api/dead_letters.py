"""The dead letters, turns that were given up: `GET /dead-letters`, and what is done about one of them."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.errors import NoDeadLetter
from orchestrator.turns.dead_letter import DeadLetter
from web.api.endpoint import call_sid_in
from web.api.page_limit import limit_in
from web.api.text_turn import answer_of
from web.api.turns import reply_seconds
from web.ingress import Ingress
from web.problem_types import STILL_RUNNING
from web.problems import Problem

if TYPE_CHECKING:  # memory mode runs without the client library
    from orchestrator.turns.redis.dead_letter_access import DeadLetterAccess


async def list_dead_letters(ingress: Ingress, request: Request) -> Response:
    """Answer with a page of the dead letters, the newest first; `next_cursor` is null after the last."""
    limit, cursor, letters = limit_in(request), request.query_params.get("cursor", ""), ingress.runtime.dead_letters()
    if letters is None:  # one process that runs all turns gives none up
        return JSONResponse({"dead_letters": [], "count": 0, "next_cursor": None})
    page = await letters.page(cursor, limit)
    shown = [letter.described() for letter in page.letters]
    return JSONResponse({"dead_letters": shown, "count": page.count, "next_cursor": page.next_cursor or None})


async def show_dead_letter(ingress: Ingress, request: Request) -> Response:
    """Answer with one dead letter."""
    _, letter = await _letter(ingress, request)
    return JSONResponse(letter.described())


async def run_dead_letter(ingress: Ingress, request: Request) -> Response:
    """Run the turn again, and answer with its reply, which nobody hears. The letter goes once the turn is answered."""
    letters, letter = await _letter(ingress, request)
    result = await letters.run(letter, reply_seconds(ingress))
    if result is None:
        raise Problem(STILL_RUNNING, "No worker has answered the turn yet. It waits for one; ask again later.")
    return JSONResponse(answer_of(result))


async def drop_dead_letter(ingress: Ingress, request: Request) -> Response:
    """Throw a dead letter away."""
    letters, letter = await _letter(ingress, request)
    await letters.drop(letter)
    return Response(status_code=204)


async def _letter(ingress: Ingress, request: Request) -> "tuple[DeadLetterAccess, DeadLetter]":
    """Return the letter in the path, and who knows it. Raise `NoDeadLetter`."""
    call_sid, turn_id, letters = call_sid_in(request), request.path_params["turn_id"], ingress.runtime.dead_letters()
    if letters is None:
        raise NoDeadLetter("There are no dead letters here: USE_REDIS is false, and this process gives no turn up.")
    return letters, await letters.find(call_sid, turn_id)
