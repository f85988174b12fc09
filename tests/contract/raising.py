"""Expecting an error without a test framework, which the Workers' runtime has none of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def raised(call: Awaitable[object]) -> PlatformError:
    """The error of the platform that a call raises; any other error goes through."""
    try:
        answer = await call
    except PlatformError as error:
        return error
    raise AssertionError(f"no error, but {str(answer)[:200]}")
