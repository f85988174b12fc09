"""Retries: a table from error and history to a decision."""

from __future__ import annotations

import pytest

from cognate import errors
from cognate.retry import LONGEST_PAUSE_SECONDS, MAX_CHARGES, Decision, Fail, Retry, decide, pause

MISSING = errors.ConfigurationError("VECTORIZE", "missing")


@pytest.mark.parametrize(
    ("error", "charges", "deliveries", "expected"),
    [
        # Out of capacity: it ends, and is not the record's fault.
        (errors.EmbedderBusy(), 0, 1, Retry(5, charged=False)),
        # However long it lasts, and whatever the record is charged with already.
        (errors.EmbedderBusy(), MAX_CHARGES, 20, Retry(900, charged=False)),
        # A time-out is the platform's.
        (errors.EmbedderTimeout(), 0, 2, Retry(10, charged=False)),
        # So is an error without a name.
        (errors.EmbedderError(), 0, 3, Retry(20, charged=False)),
        # The same input is refused again.
        (errors.EmbedderRejected(), 0, 1, Fail()),
        # A wrong shape may be a hiccup, or this very text: it is tried again, and charged.
        (errors.UnusableEmbeddings(), 0, 1, Retry(5, charged=True)),
        (errors.UnusableEmbeddings(), 1, 2, Retry(10, charged=True)),
        # The third time is the last.
        (errors.UnusableEmbeddings(), 2, 3, Fail()),
        # Vectorize is out of reach, or fails without a reason of ours.
        (errors.VectorIndexUnavailable(), 0, 1, Retry(5, charged=False)),
        (errors.VectorIndexError(), 0, 1, Retry(5, charged=False)),
        # It refuses the vector or its metadata.
        (errors.VectorIndexRejected(), 0, 1, Fail()),
        # D1 failed between the steps.
        (errors.DatabaseError(), 0, 1, Retry(5, charged=False)),
        # The deployment lacks a binding: mended by the next one.
        (MISSING, 0, 8, Retry(640, charged=False)),
        # A record with more chunks than a row holds has them the next time too.
        (errors.TextTooLong(), 0, 1, Fail()),
    ],
)
def test_decisions(
    error: errors.CognateError, charges: int, deliveries: int, expected: Decision
) -> None:
    """Without jitter, the pause is the longest of its step."""
    assert decide(error, charges=charges, deliveries=deliveries, jitter=lambda: 0) == expected


@pytest.mark.parametrize(
    ("deliveries", "jitter", "expected"),
    [
        (1, 0, 5),
        (1, 0.999, 3),
        (2, 0, 10),
        (8, 0, 640),
        (9, 0, 900),
        (100, 0, 900),
        (100, 0.999, 450),
    ],
)
def test_pauses_double_up_to_a_bound(deliveries: int, jitter: float, expected: int) -> None:
    """Less up to half at random, so that what failed together does not come back together."""
    assert pause(deliveries, jitter) == expected


def test_no_pause_is_longer_than_the_bound_or_shorter_than_a_second() -> None:
    """For any number of deliveries that a queue can count."""
    pauses = [pause(number, jitter) for number in range(1, 101) for jitter in (0, 0.5, 0.999)]
    assert (min(pauses) >= 1, max(pauses)) == (True, LONGEST_PAUSE_SECONDS)
