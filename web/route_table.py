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
    """A route whose pattern fits a request. `allowed` are its methods if the request has another one."""

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
        other: FoundRoute | None = None
        for route in self._routes.get(_shape(path), ()):
            fits = route.path_regex.match(path)
            if fits is None:
                continue
            endpoint = cast(Endpoint, route.endpoint)
            if route.methods is None or method in route.methods:
                return FoundRoute(route.path, endpoint, fits.groupdict())
            other = other or FoundRoute(route.path, endpoint, fits.groupdict(), ", ".join(route.methods))
        return other


def _shape(path: str) -> tuple[str, int]:
    """Return what the paths of a template have in common with it: their first segment, and how many there are.

    The pattern of a template accepts a line break at the end of a path.
    """
    first = path[1:].partition("/")[0]
    return first.removesuffix("\n"), path.count("/")
