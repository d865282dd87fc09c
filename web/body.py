"""Reads the body of a request, bounded in size and time."""

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from orchestrator.deadline import deadline
from web.request_headers import header
from web.whole_exchange import whole_exchange

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 5.0


async def read_body(request: Request, *, limit: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS) -> bytes:
    """Return the body. Answer 413 to more than `limit` bytes, and 408 when it takes more than `seconds`."""
    announced = header(request, b"content-length")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    exchange = whole_exchange(request.scope)
    whole = None if exchange is None else exchange.take_body()
    if whole is not None:
        if len(whole) > limit:
            raise _too_large(limit)
        return whole
    try:
        with deadline(seconds):
            return await _gathered(request.receive, limit)
    except TimeoutError:
        raise HTTPException(408, f"The body did not arrive within {seconds:g} s.") from None


async def _gathered(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        has_more = message.get("more_body", False)
    return bytes(body)


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"The body is larger than {limit} bytes.")


def media_type(request: Request) -> str:
    """Return the content type without its parameters, in lower case; "" when there is none."""
    return header(request, b"content-type").partition(";")[0].strip().lower()
