"""What becomes of a job that failed: a value, from a pure function of the error and its history.

Two histories count. *Deliveries* are how often the queue handed the message over; they set the
pause. *Charges* are failures that may be the record's own fault; only they use up its attempts. An
outage of the platform therefore costs a record nothing but time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate.errors import (
    CognateError,
    ConfigurationError,
    ConstraintViolated,
    EmbedderAccessDenied,
    EmbedderAllowanceUsedUp,
    EmbedderModelUnavailable,
    EmbedderRejected,
    PlatformError,
    UnembeddableText,
    ValueTooLarge,
    VectorIndexRejected,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CHARGES: Final = 3
"""Failures by its own fault after which a job is given up."""

SUSPECT_ATTEMPTS: Final = 4
"""Attempts from which on a job's unnamed failures may be its own: by then 35 seconds have gone."""

FIRST_PAUSE_SECONDS: Final = 5
LONGEST_PAUSE_SECONDS: Final = 900
"""An outage is looked at again at least this often; Queues would allow 86,400 s."""

LONGEST_WAIT_SECONDS: Final = 3600
"""The longest pause where somebody has to act first, or the next day has to begin."""

REJECTIONS: Final = (EmbedderRejected, VectorIndexRejected)
"""The platform's errors that blame the input: what one of these hits is found by halving, and fails
alone. Every other error of the platform is tried again, by as few calls as possible."""

ROW_REFUSALS: Final = (ConstraintViolated, ValueTooLarge)
"""D1's errors that are one row's own: who else is in the call is stored without it. No other error
of D1 is worth more calls."""

WAITS: Final = (EmbedderAllowanceUsedUp, EmbedderModelUnavailable, EmbedderAccessDenied)
"""Errors that do not end by themselves within minutes."""


@dataclass(frozen=True)
class Retry:
    """Deliver it again after a pause.

    Attributes:
        after_seconds: the pause.
        charged: whether this failure counts against the record.
    """

    after_seconds: int
    charged: bool


@dataclass(frozen=True)
class Fail:
    """Give it up, with the error's code and sentence on the job."""


Decision = Retry | Fail


def decide(
    error: CognateError, *, charges: int, deliveries: int, jitter: Callable[[], float]
) -> Decision:
    """Decide what becomes of a failed job.

    Args:
        error: why it failed.
        charges: failures charged to it before this one, 0 or more.
        deliveries: how often the queue has delivered it, this time included, 1 or more.
        jitter: a number in [0, 1), so that what failed together does not come back together.
    """
    if isinstance(error, REJECTIONS):
        return Fail()  # The same call fails again.
    if isinstance(error, UnembeddableText):
        if charges + 1 >= MAX_CHARGES:
            return Fail()
        return Retry(pause(deliveries, jitter()), charged=True)
    if isinstance(error, WAITS):
        return Retry(long_pause(deliveries, jitter()), charged=False)
    if isinstance(error, PlatformError | ConfigurationError):
        # An outage, or a deployment that lacks a binding: not the record's fault, and it ends.
        return Retry(pause(deliveries, jitter()), charged=False)
    return Fail()  # An error of our own: it would be the same the next time.


def is_suspect(attempts: int) -> bool:
    """Whether a job has failed so often that its neighbours should no longer share its fate.

    For errors that have no name: an outage of seconds is over by then, and what is still there may
    be one record's doing.
    """
    return attempts >= SUSPECT_ATTEMPTS


def pause(deliveries: int, jitter: float) -> int:
    """Seconds until the next delivery: doubling from 5 to at most 900, less up to half at random.

    Args:
        deliveries: 1 or more.
        jitter: in [0, 1).
    """
    return _doubling(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, deliveries, jitter)


def long_pause(deliveries: int, jitter: float) -> int:
    """Like `pause`, doubling from 900 seconds to at most an hour."""
    return _doubling(LONGEST_PAUSE_SECONDS, LONGEST_WAIT_SECONDS, deliveries, jitter)


def _doubling(first: int, most: int, deliveries: int, jitter: float) -> int:
    doublings = min(deliveries - 1, 16)
    longest: int = min(first << doublings, most)
    return max(1, round(longest * (1 - jitter / 2)))
