"""Answers to errors: one sentence, in the content type of the route."""

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from orchestrator.masking import masked
from web.api.routes import PREFIXES as API
from web.ingress import Ingress
from web.problems import problem_response
from web.providers.routes import PREFIXES as OTHERS
from web.twilio import twiml
from web.twilio.language import Languages
from web.twilio.routes import PREFIX as TWILIO
from web.twilio.twiml_response import TwimlResponse

PROVIDERS = (TWILIO, *OTHERS)


def http_error(path: str, error: HTTPException) -> Response:
    """Return the answer to an HTTP error: problem details from the API, one line of plain text elsewhere.

    Numbers are masked in what anybody may request. A client of the API has sent the number that its error quotes.
    """
    if path == "/live" or path.startswith((*API, "/health/detailed")):  # nothing else begins like the other paths
        return problem_response(error)
    return PlainTextResponse(f"{masked(error.detail)}\n", error.status_code, headers=error.headers)


def apology(scope: Scope) -> Response:
    """Return the answer to a request that failed unexpectedly: a caller hears an apology."""
    path = scope["path"]
    if path.startswith(PROVIDERS) and path.endswith("/status"):  # the caller does not hear it: ask for a retry
        return PlainTextResponse("Something went wrong here. Send it again.\n", 503)
    if path.startswith(PROVIDERS):
        return TwimlResponse(twiml.apology(None, _languages(scope)))
    return problem_response(HTTPException(500, "Something went wrong here; the log says what."))


def _languages(scope: Scope) -> Languages:
    ingress = getattr(scope["app"].state, "ingress", None)
    if not isinstance(ingress, Ingress):
        return Languages()
    provider = scope["path"].split("/")[1]
    return Languages.of(QueryParams(scope["query_string"]), ingress.voices.at(provider))
