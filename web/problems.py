"""Problem details (RFC 9457): the answer of the API to every error.

An `HTTPException` without a type of its own has `about:blank` and the phrase of its status. `error` repeats `detail`,
for clients of before.
"""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from orchestrator.errors import DestinationLimited, VoiceAgentError
from web.problem_types import ProblemType, type_of, type_of_provider_error

RETRY_SECONDS = 5
"""After so long a client may try again what 503 answered."""
BLANK = "about:blank"


class Problem(HTTPException):
    """An error of the API with a type. `status` replaces that of the type."""

    def __init__(
        self, kind: ProblemType, detail: str, headers: Mapping[str, str] | None = None, *, status: int | None = None
    ) -> None:
        super().__init__(kind.status if status is None else status, detail, headers)
        self.kind = kind


class ProblemResponse(JSONResponse):
    """Problem details as a response."""

    media_type = "application/problem+json"


def as_problem(error: VoiceAgentError) -> HTTPException:
    """Return an error of the product as one of HTTP, with the same sentence."""
    kind = type_of(error)
    if kind is None:
        return HTTPException(500, str(error))
    seconds = math.ceil(error.retry_after) if isinstance(error, DestinationLimited) else RETRY_SECONDS
    return Problem(kind, str(error), {"Retry-After": str(seconds)} if kind.status in (429, 503) else None)


def provider_problem(status: int, sentence: str, *, may_retry: bool) -> Problem:
    """Return a `ProviderError` of that status as one of HTTP."""
    headers = {"Retry-After": str(RETRY_SECONDS)} if may_retry else None
    return Problem(type_of_provider_error(status), sentence, headers, status=status)


def problem_details(error: HTTPException) -> dict[str, Any]:
    """Return the members of an error's problem details."""
    status = error.status_code
    kind, title = (error.kind.uri, error.kind.title) if isinstance(error, Problem) else (BLANK, _phrase(status))
    return {"type": kind, "title": title, "status": status, "detail": error.detail, "error": error.detail}


def problem_response(error: HTTPException) -> ProblemResponse:
    """Return the answer to an error."""
    return ProblemResponse(problem_details(error), error.status_code, headers=error.headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
