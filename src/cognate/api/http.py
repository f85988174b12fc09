"""A request and a response as plain values, for the edge to fill and to send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

BodyReader = Callable[[int], Awaitable[bytes]]
"""Given a limit in bytes, the body; of a longer one any beginning that is over the limit."""


class Headers(Mapping[str, str]):
    """Headers by name in any case; iterating gives the names in lower case."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """Join what came more than once: cookies by `; `, all others by `, `."""
        self._values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            joint = "; " if key == "cookie" else ", "
            known = self._values.get(key)
            self._values[key] = value if known is None else f"{known}{joint}{value}"

    def __getitem__(self, name: str) -> str:
        """The value of this header."""
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        """The names, in lower case."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._values)


async def no_body(_limit: int) -> bytes:
    """The reader of a request that has no body."""
    return b""


@dataclass(frozen=True)
class Request:
    """A request as it arrived.

    Attributes:
        method: in upper case.
        origin: scheme and host that were asked, as a browser would write the origin.
        path: still percent-encoded, because an encoded slash is no border between segments.
        query: every value of each parameter, decoded, in order.
        headers: names in any case.
        read_body: reads the body, once.
    """

    method: str
    origin: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    read_body: BodyReader = no_body

    @classmethod
    def of(
        cls,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        read_body: BodyReader = no_body,
    ) -> Request:
        """A request from an absolute URL, as the runtime hands it over."""
        parts = urlsplit(url)
        return cls(
            method=method.upper(),
            origin=f"{parts.scheme}://{parts.netloc}".lower(),
            path=parts.path or "/",
            query=parse_qs(parts.query, keep_blank_values=True),
            headers=Headers(headers),
            read_body=read_body,
        )


@dataclass(frozen=True)
class Response:
    """What is answered; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """The same response with more headers; those given replace those there are."""
        return replace(self, headers={**self.headers, **headers})

    def without_body(self) -> Response:
        """The same status and headers, for HEAD."""
        return replace(self, body=b"")
