"""From a path to its route: templates, literal segments first, and nothing guessed.

A slash at the end is another path. A path's segments are split before they are decoded, so an
encoded slash belongs to a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from cognate.api.refusals import MethodNotAllowed
from cognate.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cognate.api.route import Route

_PARAMETER: Final = "{}"
"""Stands for any parameter in a template's shape; sorts behind every literal segment."""


@dataclass(frozen=True)
class Endpoint:
    """A path that exists, with the values found where its templates have parameters.

    Attributes:
        routes: by method.
        values: decoded, in order.
    """

    routes: Mapping[str, Route]
    values: tuple[str, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method that the path answers to, sorted."""
        implied = {"OPTIONS", "HEAD"} if "GET" in self.routes else {"OPTIONS"}
        return tuple(sorted(implied.union(self.routes)))

    def route(self, method: str) -> Route:
        """The route of this method; HEAD is GET's.

        Raises:
            MethodNotAllowed: the path has others.
        """
        found = self.routes.get("GET" if method == "HEAD" else method)
        if found is None:
            raise MethodNotAllowed(self.methods)
        return found

    def parameters_of(self, route: Route) -> dict[str, str]:
        """The values by the names that this route gives them."""
        names = [name.strip("{}") for name in route.path.split("/") if name.startswith("{")]
        return dict(zip(names, self.values, strict=True))


class Router:
    """The routes of an application, by path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Sort the routes by shape: a literal segment goes before a parameter.

        Raises:
            ValueError: two routes have one name, or one method and shape.
        """
        shapes: dict[tuple[str, ...], dict[str, Route]] = {}
        names: set[str] = set()
        for route in routes:
            methods = shapes.setdefault(_shape(route.path), {})
            if route.method in methods or route.name in names:
                message = f"another route has the name {route.name} or its method and path"
                raise ValueError(message)
            methods[route.method] = route
            names.add(route.name)
        self._shapes = sorted(shapes.items(), key=lambda item: [s == _PARAMETER for s in item[0]])

    def find(self, path: str) -> Endpoint:
        """The endpoint of a percent-encoded path.

        Raises:
            NotFound: there is no such path.
        """
        segments = path.split("/")
        for shape, routes in self._shapes:
            if _matches(shape, segments):
                values = _values(shape, segments)
                if values is not None:
                    return Endpoint(routes, values)
        what, message = "route", "There is no such path in this API."
        raise NotFound(what, message)


def _shape(path: str) -> tuple[str, ...]:
    return tuple(_PARAMETER if segment.startswith("{") else segment for segment in path.split("/"))


def _matches(shape: tuple[str, ...], segments: list[str]) -> bool:
    return len(shape) == len(segments) and all(
        bool(segment) if expected == _PARAMETER else segment == expected
        for expected, segment in zip(shape, segments, strict=True)
    )


def _values(shape: tuple[str, ...], segments: list[str]) -> tuple[str, ...] | None:
    """What stands in the place of parameters, or None where it is not UTF-8."""
    try:
        return tuple(
            unquote(segment, errors="strict")
            for expected, segment in zip(shape, segments, strict=True)
            if expected == _PARAMETER
        )
    except UnicodeDecodeError:
        return None
