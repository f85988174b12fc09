"""Find the one item that spoils a call for its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cognate.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


async def isolating(
    items: Sequence[Item],
    call: Callable[[Sequence[Item]], Awaitable[Result]],
    *,
    divides: Callable[[PlatformError, Sequence[Item]], bool],
) -> list[tuple[Sequence[Item], Result | PlatformError]]:
    """Make one call for all items; where an error is one item's own, halve until it stands alone.

    Args:
        items: at least one.
        call: takes any part of them.
        divides: whether this error of a call for these items is worth halving them.

    Returns:
        The parts in order, each with its result or its error. One bad item of n costs at most
        2 log2(n) + 1 calls.
    """
    try:
        return [(items, await call(items))]
    except PlatformError as error:
        if len(items) == 1 or not divides(error, items):
            return [(items, error)]
    middle = len(items) // 2
    left = await isolating(items[:middle], call, divides=divides)
    return left + await isolating(items[middle:], call, divides=divides)
