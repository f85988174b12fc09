"""Retries: a table from error and history to a decision."""

from __future__ import annotations

import pytest

from cognate import errors
from cognate.jobs.retry import (
    LONGEST_PAUSE_SECONDS,
    LONGEST_WAIT_SECONDS,
    MAX_CHARGES,
    REJECTIONS,
    Decision,
    Fail,
    Retry,
    decide,
    long_pause,
    pause,
)
from cognate.ports import MAX_DELAY_SECONDS
from tests.stage.errors import platform_errors

MISSING = errors.ConfigurationError("VECTORIZE", "missing")


@pytest.mark.parametrize(
    ("error", "charges", "deliveries", "expected"),
    [
        # Out of capacity (3040, 429): it ends, and is not the record's fault.
        (errors.EmbedderBusy(), 0, 1, Retry(5, charged=False)),
        # However long it lasts, and whatever the record is charged with already.
        (errors.EmbedderBusy(), MAX_CHARGES, 20, Retry(900, charged=False)),
        # A time-out is the platform's (3007).
        (errors.EmbedderTimeout(), 0, 2, Retry(10, charged=False)),
        # So is an error without a name, however often it comes (3043, 3046, and unknown ones).
        (errors.EmbedderError(), 0, 3, Retry(20, charged=False)),
        (errors.EmbedderError(), MAX_CHARGES, 99, Retry(900, charged=False)),
        # The allowance (4006, 3036) comes back at midnight: there is no use in asking soon.
        (errors.EmbedderAllowanceUsedUp(), 0, 1, Retry(900, charged=False)),
        (errors.EmbedderAllowanceUsedUp(), MAX_CHARGES, 99, Retry(3600, charged=False)),
        # A retired model (5007, 3042) waits for whoever sets another one.
        (errors.EmbedderModelUnavailable(), 0, 1, Retry(900, charged=False)),
        (errors.EmbedderModelUnavailable(), MAX_CHARGES, 99, Retry(3600, charged=False)),
        # So does an account that may not use it (3023, 3041, 5016, 5018, 5035).
        (errors.EmbedderAccessDenied(), 0, 2, Retry(1800, charged=False)),
        (errors.EmbedderAccessDenied(), MAX_CHARGES, 99, Retry(3600, charged=False)),
        # The same input is refused again (3006, 5004, 5006, 5021).
        (errors.EmbedderRejected(), 0, 1, Fail()),
        # A wrong shape is the model's fault, for as long as it answers nothing else.
        (errors.UnusableEmbeddings(), MAX_CHARGES, 99, Retry(900, charged=False)),
        # Of this text only, it may be a hiccup or the text: it is tried again, and charged.
        (errors.UnembeddableText(), 0, 1, Retry(5, charged=True)),
        (errors.UnembeddableText(), 1, 2, Retry(10, charged=True)),
        # The third time is the last.
        (errors.UnembeddableText(), 2, 3, Fail()),
        # Vectorize is out of reach, or fails without a reason of ours.
        (errors.VectorIndexUnavailable(), 0, 1, Retry(5, charged=False)),
        (errors.VectorIndexError(), 0, 1, Retry(5, charged=False)),
        (errors.VectorIndexError(), MAX_CHARGES, 99, Retry(900, charged=False)),
        # It is throttled (40041): the pause grows, and no record pays.
        (errors.VectorIndexThrottled(), 0, 1, Retry(5, charged=False)),
        (errors.VectorIndexThrottled(), MAX_CHARGES, 99, Retry(900, charged=False)),
        # It refuses the vector, its id or its metadata (40006, 40008, 40012, 40016, 40023).
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


@pytest.mark.parametrize(
    ("deliveries", "jitter", "expected"),
    [(1, 0, 900), (1, 0.999, 450), (2, 0, 1800), (3, 0, 3600), (100, 0, 3600), (100, 0.999, 1802)],
)
def test_long_pauses_double_up_to_an_hour(deliveries: int, jitter: float, expected: int) -> None:
    """For what does not end within minutes."""
    assert long_pause(deliveries, jitter) == expected


@pytest.mark.parametrize("kind", list(platform_errors()), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("charges", [0, MAX_CHARGES])
@pytest.mark.parametrize("deliveries", [1, 100])
def test_only_what_blames_the_input_ends_a_job(
    kind: type[errors.PlatformError], charges: int, deliveries: int
) -> None:
    """Every other error of a platform is waited for, uncharged."""
    decision = decide(kind("m"), charges=charges, deliveries=deliveries, jitter=lambda: 0)

    if issubclass(kind, REJECTIONS):
        assert decision == Fail()
    elif kind is not errors.UnembeddableText:
        assert isinstance(decision, Retry)
        assert not decision.charged


def test_no_pause_is_longer_than_the_bound_or_shorter_than_a_second() -> None:
    """For any number of deliveries that a queue can count."""
    for kind, longest in ((pause, LONGEST_PAUSE_SECONDS), (long_pause, LONGEST_WAIT_SECONDS)):
        pauses = [kind(number, jitter) for number in range(1, 101) for jitter in (0, 0.5, 0.999)]
        assert (min(pauses) >= 1, max(pauses)) == (True, longest)
    assert longest <= MAX_DELAY_SECONDS
