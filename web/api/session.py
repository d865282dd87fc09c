"""Sessions of browsers: `POST /session` takes a key and gives a cookie, so that no page keeps the key itself."""

import logging
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator import clock
from orchestrator.api_keys.key import SCOPES, ApiKey, find_key
from web.api.checked_body import read_body_as
from web.api.key import LOCAL, Sender, admitted_sender, check_local, keys_of
from web.api.same_origin import check_no_other_page, check_same_origin
from web.api.session_cookie import is_plain_loopback, session_value, session_values, set_session
from web.api.wrong_keys import wrong_keys_of
from web.ingress import Ingress, ingress_of
from web.problem_types import NEEDS_HTTPS
from web.problems import Problem

logger = logging.getLogger(__name__)

LONGEST_KEY = 1000


class SessionKey(BaseModel):
    """A key of the API, which the browser forgets for a cookie: the cookie opens what the key opens, for 12 hours."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    key: SecretStr = Field(min_length=1, max_length=LONGEST_KEY)


async def open_session(request: Request) -> Response:
    """Answer with a cookie that stands for the key in the body, and with who that is. Answer 401 to a wrong key."""
    ingress = ingress_of(request)
    settings = ingress.settings
    check_no_other_page(request, settings)
    body = await read_body_as(SessionKey, request)
    if not settings.has_api_key:
        check_local(request, settings)
        return _told(Sender(LOCAL))
    _check_kept(request)
    wrong_keys = wrong_keys_of(request)
    wrong_keys.check(request)
    key = find_key(keys_of(settings), body.key.get_secret_value().encode(errors="replace"))
    if key is None:
        wrong_keys.note(request)
        _log_wrong(ingress)
        raise HTTPException(401, "This key is none of this server's.")
    return _opened(ingress, request, key)


async def show_session(request: Request) -> Response:
    """Answer with who sends the request and what they may do. Answer 401 to nobody."""
    settings = ingress_of(request).settings
    return _told(await admitted_sender(request, settings))


async def close_session(request: Request) -> Response:
    """Have the browser forget its cookie, also one that does not count any more."""
    settings = ingress_of(request).settings
    if session_values(request):
        check_same_origin(request, settings)
    response = Response(status_code=204)
    set_session(response, "", 0, request, settings)
    return response


def _opened(ingress: Ingress, request: Request, key: ApiKey) -> Response:
    seconds = int(ingress.timeouts.session)
    until = int(clock.now()) + seconds
    response = _told(Sender(key, until))
    set_session(response, session_value(key, until, ingress.seal.keys), seconds, request, ingress.settings)
    logger.info("The key %s opened a session", key.name, extra={"action": "session.opened", "key": key.name})
    return response


def _told(sender: Sender) -> Response:
    until = None if sender.until is None else f"{datetime.fromtimestamp(sender.until, UTC):%Y-%m-%dT%H:%M:%SZ}"
    told: dict[str, Any] = {
        "name": sender.key.name,
        "scopes": [scope for scope in SCOPES if sender.key.may(scope)],
        "until": until,
    }
    return JSONResponse(told)


def _check_kept(request: Request) -> None:
    """Answer 403 where the browser would drop the cookie, since it is for encrypted connections alone."""
    if request.headers.get("origin", "").startswith("http:") and not is_plain_loopback(request):
        raise Problem(
            NEEDS_HTTPS, "Open this page by https, or on this machine at localhost: the key would be read on the way."
        )


def _log_wrong(ingress: Ingress) -> None:
    left_out = ingress.warnings.due("session.refused")
    if left_out is not None:
        logger.warning(
            "A wrong key was given for a session (and %d more in the last minute)", left_out,
            extra={"action": "session.refused"},
        )  # fmt: skip


routes = [
    Route("/session", open_session, methods=["POST"]),
    Route("/session", show_session, methods=["GET"]),
    Route("/session", close_session, methods=["DELETE"]),
]
