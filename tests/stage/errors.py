"""The classes of platform errors, for tests that run over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator


def platform_errors(kind: type[PlatformError] = PlatformError) -> Iterator[type[PlatformError]]:
    """Yield an error class and all of its subclasses in `cognate.errors`."""
    if kind.__module__ == PlatformError.__module__:
        yield kind
    for child in kind.__subclasses__():
        yield from platform_errors(child)
