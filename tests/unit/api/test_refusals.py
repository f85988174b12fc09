"""The messages of HTTP protocol errors."""

from __future__ import annotations

import pytest

from cognate.api import refusals


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusals.MethodNotAllowed(["GET", "HEAD"]), "answers to GET, HEAD only"),
        (refusals.UnsupportedMediaType(), "content-type: application/json"),
        (refusals.PayloadTooLarge(1_048_576), "longer than 1,048,576 bytes"),
        (refusals.InvalidIdempotencyKey(), "1 to 255 visible ASCII characters"),
        (refusals.OriginNotAllowed(), "ALLOWED_ORIGINS"),
    ],
)
def test_a_refusal_says_what_to_do(error: refusals.Refusal, words: str) -> None:
    """The message tells the caller what to change."""
    assert words in str(error)
