"""Decide whether a failed job is tried again, and when. Pure functions.

The decision follows from the error and from two counts. *Deliveries* count how often the queue has
delivered the message. They set the pause. *Charges* count failures that may be the record's fault.
A job fails for good after `MAX_CHARGES` of them. An outage of the platform adds no charge, so it
only delays a job.
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
"""Failures by the record's own fault after which its job fails for good."""

SUSPECT_ATTEMPTS: Final = 4
"""Attempts after which a failure without a known cause may be the job's own. By then 35 seconds
have passed."""

FIRST_PAUSE_SECONDS: Final = 5
LONGEST_PAUSE_SECONDS: Final = 900
"""The longest pause during an outage. Queues allow up to 86,400 s."""

LONGEST_WAIT_SECONDS: Final = 3600
"""The longest pause if somebody has to act first, or if the allowance returns the next day."""

REJECTIONS: Final = (EmbedderRejected, VectorIndexRejected)
"""Errors of the platform that blame the input. The call is halved until the bad input is found, and
only its job fails. All other errors of the platform are retried with as few calls as possible."""

ROW_REFUSALS: Final = (ConstraintViolated, ValueTooLarge)
"""Errors of D1 that are one row's fault. The other rows of the call are stored without it. After
any other error of D1 the call is not split."""

WAITS: Final = (EmbedderAllowanceUsedUp, EmbedderModelUnavailable, EmbedderAccessDenied)
"""Errors that do not end by themselves within minutes."""


@dataclass(frozen=True)
class Retry:
    """The job is tried again after a pause.

    Attributes:
        after_seconds: the pause.
        charged: whether this failure counts against the record.
    """

    after_seconds: int
    charged: bool


@dataclass(frozen=True)
class Fail:
    """The job fails for good, with the error's code and message."""


Decision = Retry | Fail


def decide(
    error: CognateError, *, charges: int, deliveries: int, jitter: Callable[[], float]
) -> Decision:
    """Decide whether a failed job is tried again.

    Args:
        error: why it failed.
        charges: failures charged to it before this one, 0 or more.
        deliveries: how often the queue has delivered it, this time included, 1 or more.
        jitter: returns a random number in [0, 1). Jobs that failed together then return apart.
    """
    if isinstance(error, REJECTIONS):
        return Fail()  # The same call would fail again.
    if isinstance(error, UnembeddableText):
        if charges + 1 >= MAX_CHARGES:
            return Fail()
        return Retry(pause(deliveries, jitter()), charged=True)
    if isinstance(error, WAITS):
        return Retry(long_pause(deliveries, jitter()), charged=False)
    if isinstance(error, PlatformError | ConfigurationError):
        # An outage or a missing binding. It is not the record's fault, and it will end.
        return Retry(pause(deliveries, jitter()), charged=False)
    return Fail()  # An error of Cognate itself, which would happen again.


def is_suspect(attempts: int) -> bool:
    """Return True if a job has been tried so often that it is run apart from other jobs.

    This serves errors without a known cause. A short outage is over by then, so the record itself
    may be the cause.
    """
    return attempts >= SUSPECT_ATTEMPTS


def pause(deliveries: int, jitter: float) -> int:
    """Return the seconds until the next delivery.

    They double from 5 up to 900. The jitter takes away up to a half.

    Args:
        deliveries: 1 or more.
        jitter: in [0, 1).
    """
    return _doubling(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, deliveries, jitter)


def long_pause(deliveries: int, jitter: float) -> int:
    """Return the seconds until the next delivery, as `pause` does. They double from 900 to 3600."""
    return _doubling(LONGEST_PAUSE_SECONDS, LONGEST_WAIT_SECONDS, deliveries, jitter)


def _doubling(first: int, most: int, deliveries: int, jitter: float) -> int:
    doublings = min(deliveries - 1, 16)
    longest: int = min(first << doublings, most)
    return max(1, round(longest * (1 - jitter / 2)))
