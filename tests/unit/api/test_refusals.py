"""What only HTTP can get wrong, said so that it can be mended."""

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
    """Its message is shown to the caller as it is."""
    assert words in str(error)
