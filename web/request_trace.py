"""The spans of HTTP requests and relay frames that bring turns in. Nothing is done while traces are off."""

from typing import TYPE_CHECKING

from starlette.types import Scope

from orchestrator import tracing

if TYPE_CHECKING:
    from orchestrator.tracing.turn_entry import Entry

PROVIDERS = ("twilio", "telnyx", "signalwire")
"""The first parts of the paths of providers' routes, which are their names."""
FIRST_SERVER_ERROR = 500


def request_entry(scope: Scope, template: str) -> "Entry | None":
    """Return the entry of an HTTP request on the route `template`; None while traces are off."""
    if not tracing.is_on():
        return None
    path = scope["path"]
    attributes = {
        "http.request.method": scope["method"], "http.route": template, "url.path": path,
        "url.scheme": scope.get("scheme", "http"), **_channel(path, "gather"),
    }  # fmt: skip
    name = f"{scope['method']} {template}"
    return tracing.entry(name, attributes, traceparent=_header(scope, b"traceparent"))


def end_request(entry: "Entry", status: int) -> None:
    """End the entry of a request that was answered with this status."""
    error_type = str(status) if status >= FIRST_SERVER_ERROR else ""
    entry.end({"http.response.status_code": status}, error_type=error_type)


def frame_entry(kind: str, provider: str, received_at: float) -> "Entry | None":
    """Return the entry of a relay frame that was received at `received_at` (Unix seconds); None while traces are off.

    `kind` is that of its turn.
    """
    if not tracing.is_on():
        return None
    began = tracing.at(received_at)
    return tracing.entry(f"relay {kind}", {**_channel(f"/{provider}", "relay")}, began=began)


def _channel(path: str, channel: str) -> dict[str, str]:
    first = path[1:].partition("/")[0]
    if first not in PROVIDERS:
        return {"voiceagent.channel": "api"} if first == "calls" else {}
    return {"voiceagent.channel": channel, "voiceagent.provider": first}


def _header(scope: Scope, name: bytes) -> str | None:
    """Return a header that comes once; None if it is missing or comes twice."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else None
