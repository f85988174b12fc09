"""The outcome of each job, with Cognate's own sentences."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cognate.embedding.decide import decide_record
from cognate.embedding.finish import SENTENCES, orphan, outcome_of, sentence
from cognate.embedding.index import Indexed
from cognate.errors import (
    CognateError,
    ConfigurationError,
    EmbedderBusy,
    PlatformError,
    QueueError,
    UnembeddableText,
    VectorIndexThrottled,
)
from cognate.jobs.retry import REJECTIONS
from cognate.jobs.run import JobEnd, StartedJob
from tests.stage.errors import platform_errors
from tests.unit.embedding.test_decide import record

STOPPING = [kind for kind in platform_errors() if kind not in {PlatformError, QueueError}]
"""Errors that can stop a job."""

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATEST = StartedJob("org", "claims", "job_2", "write", 1, 1)
OLDER = StartedJob("org", "claims", "job_1", "message", 2, 3)


def indexed(error: CognateError | None = None, **changes: object) -> Indexed:
    """Make an indexed record of two jobs, the latest first."""
    decided = decide_record(record(**{"jobs": (LATEST, OLDER), **changes}))
    return Indexed(**{**vars(decided), "error": error})


def outcomes(item: Indexed) -> tuple[JobEnd, ...]:
    """Return the ends of the two jobs, delivered once and four times."""
    return outcome_of(item, {"job_1": 4, "job_2": 1}, NOW, lambda: 0).ends


def briefly(found: tuple[JobEnd, ...]) -> list[tuple[str, str, str | None]]:
    """Return the job, status and code of each outcome."""
    return [(item.job.id, item.status.value, item.code) for item in found]


def test_all_jobs_of_a_record_are_done_together() -> None:
    """If all went well, every job of the record is done."""
    assert briefly(outcomes(indexed())) == [("job_2", "done", None), ("job_1", "done", None)]


def test_one_of_them_is_tried_again() -> None:
    """After an error the latest job is tried again, and the older jobs are superseded."""
    found = outcomes(indexed(EmbedderBusy()))
    assert briefly(found) == [("job_1", "superseded", None), ("job_2", "queued", "AI_CAPACITY")]
    assert (found[1].after_seconds, found[1].charged) == (5, False)
    assert found[1].due_at == "2026-11-20T12:01:05.000Z"


def test_the_pause_grows_though_the_sweeper_sent_another_message() -> None:
    """The pause grows with the attempts of the job, also if its message is new."""
    found = indexed(
        VectorIndexThrottled(), jobs=(StartedJob("org", "claims", "job_2", "write", 0, 4),)
    )
    [outcome] = outcome_of(found, {"job_2": 1}, NOW, lambda: 0).ends
    assert outcome.after_seconds == 40


def test_the_record_is_charged_not_the_job() -> None:
    """The third charge fails the record, whichever of its jobs had the first two."""
    assert briefly(outcomes(indexed(UnembeddableText()))) == [
        ("job_1", "superseded", None),
        ("job_2", "failed", "AI_TEXT_UNUSABLE"),
    ]


def test_a_record_without_text_says_why_there_is_no_vector() -> None:
    """The job of a record without text is done with the code `EMPTY_TEXT`."""
    assert {item.code for item in outcomes(indexed(text=" "))} == {"EMPTY_TEXT"}


def test_a_message_for_a_record_that_is_not_there_has_failed() -> None:
    """For a missing record a deletion is done, and a message of another Worker fails."""
    assert briefly(outcomes(indexed(exists=False))) == [
        ("job_2", "done", None),
        ("job_1", "failed", "RECORD_NOT_FOUND"),
    ]


def test_an_orphan_names_its_reason() -> None:
    """An orphan fails with `TABLE_UNKNOWN`."""
    [end] = orphan(LATEST).ends
    assert (end.status.value, end.code) == ("failed", "TABLE_UNKNOWN")


@pytest.mark.parametrize("kind", STOPPING, ids=lambda kind: kind.__name__)
def test_a_platforms_words_are_not_shown(kind: type[PlatformError]) -> None:
    """A platform's message may quote a text: each error has a sentence of Cognate's instead."""
    assert sentence(kind("the secret text")) == SENTENCES[kind.code]


@pytest.mark.parametrize("kind", STOPPING, ids=lambda kind: kind.__name__)
def test_only_what_blames_the_input_tells_the_owner_to_change_it(
    kind: type[PlatformError],
) -> None:
    """Only errors that blame the input tell the owner to change it."""
    blames = issubclass(kind, (*REJECTIONS, UnembeddableText))
    assert ("Change" in SENTENCES[kind.code]) is blames


def test_our_own_words_are_shown() -> None:
    """The sentences of Cognate's own errors are shown."""
    error = ConfigurationError("VECTORIZE", "The Vectorize binding VECTORIZE is missing.")
    assert sentence(error) == str(error)
