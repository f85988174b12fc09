"""What makes two requests the same."""

from __future__ import annotations

import pytest

from cognate.texts.idempotency import IdempotencyKey


@pytest.mark.parametrize(
    ("operation", "request_body", "same"),
    [
        ("post", {"content": "x", "id": None}, True),
        ("post", {"id": None, "content": "x"}, True),
        ("post", {"content": "y", "id": None}, False),
        ("post", {"content": "x", "id": "1"}, False),
        ("batch", {"content": "x", "id": None}, False),
    ],
)
def test_a_request_is_its_operation_and_its_body(
    operation: str, request_body: dict[str, object], *, same: bool
) -> None:
    """In any order of names."""
    first = IdempotencyKey.of("key", "post", {"content": "x", "id": None})

    assert (IdempotencyKey.of("key", operation, request_body) == first) is same
