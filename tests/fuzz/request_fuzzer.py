"""Judges the answers of an ingress to requests that nobody should send."""

import json
from xml.etree import ElementTree

from fuzz.http_request import Answer, HttpRequest, answer_to
from fuzz.served import ErrorLog

UNAVAILABLE = (501, 502, 503, 504)
"""What an ingress may answer that has no provider, no database or no Redis."""


async def judge(url: str, request: HttpRequest, log: ErrorLog) -> str:
    """Send the request. Return what is wrong with the answer, or was logged meanwhile; "" if nothing is."""
    try:
        answer = await answer_to(url, request.bytes_for(url))
    except TimeoutError:
        return "no answer came"
    return _wrong_with(answer) or (f"it logged: {log.lines[-1]}" if log.lines else "")


def _wrong_with(answer: Answer) -> str:
    if answer.status >= 500 and answer.status not in UNAVAILABLE:
        return f"it answered {answer.status}: {answer.body[:300]!r}"
    if b"Traceback" in answer.body:
        return f"it showed a traceback: {answer.body[:300]!r}"
    kind = next((line for line in answer.head.lower().split("\r\n") if line.startswith("content-type:")), "")
    try:
        if "json" in kind and "ndjson" not in kind:
            json.loads(answer.body)
        elif "text/xml" in kind:
            ElementTree.fromstring(answer.body)
    except (ValueError, ElementTree.ParseError) as error:
        return f"it answered {kind} that is none: {error}"
    if 400 <= answer.status < 500 and len(answer.body.strip().splitlines()) > 1:
        return f"it refused in more than one line: {answer.body[:300]!r}"
    return ""
