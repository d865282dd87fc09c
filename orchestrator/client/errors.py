"""What can go wrong between a client and the API."""

import json
from typing import Any

from orchestrator.errors import VoiceAgentError


class ClientError(VoiceAgentError):
    """The API could not be asked, or refused."""


class ApiUnreachable(ClientError):
    """Nothing that speaks the API answers there. `is_down`: nobody even listens."""

    def __init__(self, message: str | None = None, *, is_down: bool = False) -> None:
        super().__init__(message)
        self.is_down = is_down


class ApiRefused(ClientError):
    """The API refused the request.

    `status` is that of HTTP, `kind` the type of the problem (RFC 9457; "about:blank" for one without). The message is
    the server's sentence. `retry_seconds` is after how long the server wants to be asked again; None: it does not say.
    """

    def __init__(self, message: str, *, status: int, kind: str = "", retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_seconds = retry_seconds


def refusal(status: int, body: str, address: str, retry_after: str | None) -> ApiRefused:
    """Return the error that an answer of this status and content tells."""
    problem = _problem(body)
    sentence = problem.get("detail") or problem.get("error")
    message = str(sentence) if sentence else f"{address} answered {status}. Is that a VoiceAgent server?"
    seconds = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    return ApiRefused(message, status=status, kind=str(problem.get("type", "")), retry_seconds=seconds)


def _problem(body: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
