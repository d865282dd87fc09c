"""Requests find the routes that Starlette's own router finds, which is the judge here."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.routing import Match, Route
from support.ingress import settings_with

from web.app import create_app
from web.route_table import RouteTable

ROUTES = create_app(settings_with()).routes
TABLE = RouteTable(ROUTES)

paths = st.sampled_from([route.path for route in ROUTES if isinstance(route, Route)])
parameters = st.sampled_from(["1", "CA1", "", "a/b", "a b", "é", "\n", "1\n", "..", "{n}", "%2F", "wait", "ended"])
changes = st.sampled_from(["", "/", "\n", "\r", "//", " ", "x", "/x", "?", ";", "\n\n"])
methods = st.sampled_from(["GET", "POST", "HEAD", "DELETE", "PUT", "OPTIONS", "get", "BREW"])


@st.composite
def requested(draw: st.DrawFn) -> str:
    """A path near one of ours."""
    segments = draw(paths).split("/")
    path = "/".join(draw(parameters) if segment.startswith("{") else segment for segment in segments)
    at = draw(st.integers(0, len(path)))
    return draw(st.sampled_from([path, path[:at], path[1:], path.upper()])) + draw(changes)


def judged(path: str, method: str) -> tuple[str, dict[str, str], str] | None:
    """Return the template and the parameters that Starlette finds, and the methods of all routes that it finds for
    others: it tells those of the first alone."""
    scope = {"type": "http", "path": path, "method": method}
    partial, allowed = None, set()
    for route in ROUTES:
        match, found = route.matches(scope)
        if match is Match.FULL:
            return route.path, found["path_params"], ""
        if match is Match.PARTIAL:
            partial = partial or (route.path, found["path_params"])
            allowed |= route.methods
    return (*partial, ", ".join(sorted(allowed))) if partial is not None else None


@given(requested() | st.text(max_size=9), methods)
@example("/twilio/turn/1/wait", "POST")
@example("/calls", "DELETE")
@example("/calls", "POST")
@example("/calls/CA1", "GET")
@example("/calls/CA1/turns", "PUT")
@example("/livez\n", "GET")
@example("/twilio/turn/1\n", "POST")
@example("*", "OPTIONS")
@example("", "GET")
@example("/twilio/relay", "GET")
def test_a_request_finds_the_route_that_starlette_finds(path, method):
    found = TABLE.find(path, method)
    result = None if found is None else (found.template, found.path_params, found.allowed)
    assert result == judged(path, method)


@pytest.mark.parametrize("route", [route for route in ROUTES if isinstance(route, Route)], ids=lambda r: r.path)
def test_every_route_is_found(route):
    method = min(route.methods)
    found = TABLE.find(route.path.replace("{", "").replace("}", ""), method)
    assert found is not None
    assert found.template == route.path
