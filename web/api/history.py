"""The last hours in figures: `GET /history`."""

from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from orchestrator import clock
from orchestrator.history.reader import MOST_HOURS, HistoryReader, Step
from web.api.masked_response import MaskableResponse
from web.ingress import Ingress

STEPS: dict[str, Step] = {"60": 60, "300": 300, "900": 900}


async def show_history(ingress: Ingress, request: Request) -> Response:
    """Answer with what was counted in the last `hours`, a point for each `step` seconds, the oldest first.

    In a point, `stages` say how long after its arrival a turn reached each stage; `active`, `queue_depth` and
    `oldest_wait_seconds` are the highest that were seen, `workers` the lowest, and null if nobody looked.
    """
    reader = cast(HistoryReader, request.app.state.history)
    content = await reader.page(clock.now(), _hours(request), _step(request))
    return MaskableResponse(content, media_type="application/json")  # there is no number of a person in it


def _hours(request: Request) -> int:
    text = request.query_params.get("hours", "1")
    if text.isascii() and text.isdecimal() and len(text) <= 2 and 1 <= int(text) <= MOST_HOURS:
        return int(text)
    raise HTTPException(422, f"hours must be a number from 1 to {MOST_HOURS}.")


def _step(request: Request) -> Step:
    if (step := STEPS.get(request.query_params.get("step", "60"))) is None:
        raise HTTPException(422, f"step must be {', '.join(STEPS)}: seconds.")
    return step
