"""The versions of the workers: `GET /rollout`, and what changes the plan that says which of them gets new calls."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.errors import BadRollout
from orchestrator.worker_versions.changes import cleared, percent_in, promoted, ramped, rolled_back
from orchestrator.worker_versions.overview import described
from web.api.json_body import json_object
from web.body import read_body
from web.ingress import Ingress

COMMANDS = ("ramp", "promote", "roll-back", "clear")
FIELDS: dict[str, tuple[str, ...]] = {"ramp": ("version", "percent"), "promote": ("version",)}
"""What a command takes besides the `revision`."""
NO_WORKERS = "There are no versions of workers: USE_REDIS is false, and this process answers all calls."
MOST_REVISION = 10**15


async def show_rollout(ingress: Ingress, request: Request) -> Response:
    """Answer with the plan and what is known of each version."""
    rollouts = ingress.runtime.rollouts()
    if rollouts is None:
        raise HTTPException(404, NO_WORKERS)
    return JSONResponse(described(await rollouts.overview()))


async def change_rollout(ingress: Ingress, request: Request) -> Response:
    """Change the plan, and answer with it and the versions.

    With `revision`, only if the plan still has that one: else 409.
    """
    command = request.path_params["command"]
    if command not in COMMANDS:
        raise HTTPException(404, f"There is no such command. These are: {', '.join(COMMANDS)}.")
    fields = await _fields(request, command)
    rollouts = ingress.runtime.rollouts()
    if rollouts is None:
        raise HTTPException(404, NO_WORKERS)
    version = _text(fields, "version")
    revision = _revision(fields)
    match command:
        case "ramp":
            percent = _percent(fields)
            missed = await rollouts.change(lambda plan, running: ramped(plan, version, percent, running), revision)
        case "promote":
            missed = await rollouts.change(lambda plan, running: promoted(plan, version, running), revision)
        case "roll-back":
            missed = await rollouts.change(rolled_back, revision)
        case _:
            missed = await rollouts.change(lambda plan, running: cleared(plan), revision)
    return JSONResponse({**described(await rollouts.overview()), "shards_behind": missed})


async def _fields(request: Request, command: str) -> dict[str, Any]:
    """Return the body's fields; none where there is no body. Answer 422 to a field that the command does not take."""
    if "content-type" not in request.headers and not await read_body(request):
        return {}
    fields = await json_object(request)
    known = (*FIELDS.get(command, ()), "revision")
    if unknown := sorted(set(fields) - {*known}):
        raise HTTPException(422, f"{command} takes {' and '.join(known)}, not {unknown[0][:100]!r}.")
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise HTTPException(422, f"{name} must be text.")
    return value


def _percent(fields: dict[str, Any]) -> float:
    """Return the percentage, which may be a number or text such as 5%."""
    value = fields.get("percent", "")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRollout("percent must be a number, or text such as 5%.")
    return percent_in(value if isinstance(value, str) else f"{value:.12g}")


def _revision(fields: dict[str, Any]) -> int | None:
    value = fields.get("revision")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST_REVISION:
        raise HTTPException(422, "revision must be a whole number, as GET /rollout tells it.")
    return value
