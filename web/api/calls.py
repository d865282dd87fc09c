"""`GET /calls/{call_sid}` and `DELETE /calls/{call_sid}`."""

import asyncio
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.errors import CallEnded, TurnRejected, UnknownCall, UnreadableState
from orchestrator.sensitive_turns.shown import has_sealed, shown_state
from web.api.endpoint import call_sid_in
from web.api.erasure import erase_call
from web.api.hanging_up import hang_up_live, still_rings
from web.api.key import check_key
from web.ingress import Ingress
from web.problem_types import WRONG_FIELDS
from web.problems import Problem

END_SECONDS = 5.0
LOOK_SECONDS = 0.1


async def show_call(ingress: Ingress, request: Request) -> Response:
    """Answer with the whole state of a call."""
    state = await ingress.runtime.states.get_state(call_sid_in(request))
    if state is None:
        raise UnknownCall
    if has_sealed(state):
        return JSONResponse(shown_state(state))
    return Response(state.model_dump_json(), media_type="application/json")


async def delete_call(ingress: Ingress, request: Request) -> Response:
    """Hang up, end the call, wait a moment until its running turn has stopped, and delete it.

    A call whose state cannot be read is deleted at once. With `?erase=true`, which needs a key with the scope `admin`,
    it is erased everywhere instead.
    """
    call_sid = call_sid_in(request)
    if _erases(request):
        check_key(request, ingress.settings, "admin")
        return await erase_call(ingress, request, call_sid)
    try:
        state = await ingress.runtime.states.get_state(call_sid)
    except UnreadableState:
        return await _delete(ingress, call_sid)
    if state is None:
        raise UnknownCall
    if state.channel == "api":
        await _end(ingress, call_sid, "completed")
        return await _delete(ingress, call_sid)
    await hang_up_live(request.app.state.call_placer.api, state)
    await _end(ingress, call_sid, "canceled" if still_rings(state) else "completed")
    return await _delete(ingress, call_sid)


def _erases(request: Request) -> bool:
    """True if all of the call is to go. Raise `Problem` on a value that might mean that."""
    given = request.query_params.get("erase", "false").lower()
    if given not in ("true", "false"):
        raise Problem(WRONG_FIELDS, "erase: true or false.")
    return given == "true"


async def _delete(ingress: Ingress, call_sid: str) -> Response:
    await ingress.runtime.dispatcher.erase(call_sid)
    await ingress.runtime.states.delete_state(call_sid)
    ingress.late_timings.forget(call_sid)
    return Response(status_code=204)


async def _end(ingress: Ingress, call_sid: str, status: str) -> None:
    turn = Turn(turn_id="ended", call_sid=call_sid, kind="ended", text=status)
    try:
        pending = await submit_by(
            ingress.runtime.dispatcher, turn, deadline_seconds=min(END_SECONDS, ingress.timeouts.store)
        )
    except CallEnded:
        await _wait_until_told(ingress, call_sid)
        return
    except (UnknownCall, TurnRejected):
        return
    await pending.wait(END_SECONDS)


async def _wait_until_told(ingress: Ingress, call_sid: str) -> None:
    """Wait a moment until the end of a call that its agent has ended is written for its sinks.

    The `ended` turn has made it due, and whoever delivers events writes it from the state, which must still be there.
    """
    outbox = ingress.runtime.outbox
    if outbox is None:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(min(END_SECONDS, ingress.timeouts.store)):
            while await outbox.unended(call_sid) is not None:
                await asyncio.sleep(LOOK_SECONDS)
