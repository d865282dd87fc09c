"""Finds the route of an HTTP request among Starlette's `Route`s, by their own patterns."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """A route whose pattern fits a request. `allowed` are the methods of all that fit, if the request has another."""

    template: str
    endpoint: Endpoint
    path_params: dict[str, str]
    allowed: str = ""


class RouteTable:
    """The routes, by the number of segments in their paths: a parameter never holds a slash."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes: dict[tuple[str, int], list[Route]] = {}
        for route in routes:
            if isinstance(route, Route):
                self._routes.setdefault(_shape(route.path), []).append(route)

    def find(self, path: str, method: str) -> FoundRoute | None:
        """Return the route for a decoded `path`; None if no pattern fits.

        A route with this method goes before the others.
        """
        others: list[Route] = []
        parameters: dict[str, str] = {}
        for route in self._routes.get(_shape(path), ()):
            fits = route.path_regex.match(path)
            if fits is None:
                continue
            endpoint = cast(Endpoint, route.endpoint)
            if route.methods is None or method in route.methods:
                return FoundRoute(route.path, endpoint, fits.groupdict())
            parameters = parameters if others else fits.groupdict()
            others.append(route)
        return _other_methods(others, parameters)


def _other_methods(routes: list[Route], parameters: dict[str, str]) -> FoundRoute | None:
    """Return what answers a request whose method none of these `routes` has (RFC 9110, section 15.5.6)."""
    if not routes:
        return None
    methods = sorted({method for route in routes for method in route.methods or ()})
    return FoundRoute(routes[0].path, cast(Endpoint, routes[0].endpoint), parameters, ", ".join(methods))


def _shape(path: str) -> tuple[str, int]:
    """Return what the paths of a template have in common with it: their first segment, and how many there are.

    The pattern of a template accepts a line break at the end of a path.
    """
    first = path[1:].partition("/")[0]
    return first.removesuffix("\n"), path.count("/")
