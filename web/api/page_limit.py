"""How many items of a list a request asks for: the query field `limit`."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


def limit_in(request: Request) -> int:
    """Return the limit. Answer 422 if it is no number from 1 to 1000."""
    text = request.query_params.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise HTTPException(422, f"limit must be a number from 1 to {MAX_LIMIT}.")
