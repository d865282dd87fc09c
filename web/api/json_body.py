"""Reading a JSON object that a stranger sent: bounded in size, time and depth."""

import json
import math
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from web.body import media_type, read_body

MAX_DEPTH = 32
"""Deeper than any sensible object; what is nested some hundred levels deep could not be written as JSON again."""


async def json_object(request: Request) -> dict[str, Any]:
    """Return the body. Answer 415 or 400 to what is not a JSON object."""
    if media_type(request) != "application/json":
        raise HTTPException(415, "Send JSON (Content-Type: application/json).")
    body = await read_body(request)
    try:
        fields = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise HTTPException(400, "The body is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON.") from None
    if not isinstance(fields, dict):
        raise HTTPException(400, "The body is not a JSON object.")
    _check_depth(fields)
    return fields


def _check_depth(fields: dict[str, Any]) -> None:
    level: list[Any] = [fields]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
        if not below:
            return
        level = below
    raise HTTPException(400, f"The body is nested deeper than {MAX_DEPTH - 1} levels.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("the number is too large to be written as JSON again")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")  # RFC 8259, section 6


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
"""Made once: that takes as long as reading a turn."""
