"""The part of a list's answer that says where its page stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from cognate.api.wire import AnswerModel

if TYPE_CHECKING:
    from cognate.pagination import Page


class Pagination(AnswerModel):
    """`count` items of at most `limit`; `nextCursor` is null on the last page.

    `total`, over all pages, is there only where it was asked for.
    """

    count: int
    limit: int
    next_cursor: str | None
    has_more: bool
    total: Annotated[int | None, Field(exclude_if=lambda value: value is None)] = None


def pagination_of(page: Page[Any]) -> Pagination:
    """Where a page stands."""
    return Pagination(
        count=len(page.items),
        limit=page.limit,
        next_cursor=page.next_cursor,
        has_more=page.has_more,
        total=page.total,
    )
