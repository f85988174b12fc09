"""Ask for embeddings: raise the revisions of records, and queue a job for each.

Whatever comes in (records, posted texts, backfills) goes through here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.embedding.revisions import raise_revisions
from cognate.ids import new_id
from cognate.jobs.messages import JOB_PREFIX
from cognate.jobs.queue import NewJob, Priority, queue_statement, release_statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.jobs.conditions import JobCondition
    from cognate.ports import Row, Statement
    from cognate.schema.collections import Collection


@dataclass(frozen=True)
class EmbeddingRequest:
    """A record to embed or index again.

    Attributes:
        posted_text: a text to embed in place of what the record says, until it is next written.
        embeds: False where only its metadata changed: the text is not embedded again.
        keeps_posted: whether a text that was posted for it earlier still counts.
        is_counted: whether the table's trigger has raised the revision already.
    """

    record_id: str
    posted_text: str | None = None
    embeds: bool = True
    keeps_posted: bool = False
    is_counted: bool = False


class EmbeddingRequests:
    """The statements of one D1 batch that ask for embeddings in one organization."""

    def __init__(self, organization_id: str, now: datetime) -> None:
        """Start without a request."""
        self._organization_id = organization_id
        self._now = now
        self._statements: list[Statement] = []
        self._places: list[int] = []
        self._new_ids: set[str] = set()

    def add(  # noqa: PLR0913 - each is a column
        self,
        collection: Collection,
        requests: Sequence[EmbeddingRequest],
        *,
        source: str,
        condition: JobCondition,
        priority: Priority = Priority.WRITE,
        job_ids: Sequence[str] = (),
        forced: bool = False,
        token: str = "",
    ) -> None:
        """Ask for records of one collection, each once.

        A queued job of the same record serves both: it embeds what the record says when its turn
        comes.

        Args:
            collection: of the records.
            requests: one a record.
            source: who asks, for the job's row.
            condition: the condition on which a record gets a job.
            priority: who waits.
            job_ids: ids for the jobs, as many as there are requests; new ones where there are none.
            forced: whether the index is written even where nothing changed.
            token: see `condition`.
        """
        ids = job_ids or [new_id(JOB_PREFIX, self._now) for _ in requests]
        self._new_ids.update(ids)
        for counted in (True, False):
            group = [request for request in requests if request.is_counted is counted]
            if group:
                self._statements.append(
                    raise_revisions(
                        collection,
                        self._organization_id,
                        group,
                        condition=condition,
                        token=token,
                        now=self._now,
                        counted=counted,
                    )
                )
        self._places.append(len(self._statements))
        self._statements.append(
            queue_statement(
                collection,
                self._organization_id,
                [
                    NewJob(job_id, request.record_id, request.embeds)
                    for job_id, request in zip(ids, requests, strict=True)
                ],
                source=source,
                now=self._now,
                condition=condition,
                priority=priority,
                forced=forced,
                token=token,
            )
        )

    @property
    def statements(self) -> list[Statement]:
        """What the batch has to run; none where nothing is asked for."""
        if not self._statements:
            return []
        return [*self._statements, release_statement(self._organization_id, self._now)]

    def queued(self, answers: Sequence[list[Row]]) -> list[dict[str, str]]:
        """Read the ids of the jobs, by record: one dictionary for each `add`.

        Args:
            answers: to `statements`.
        """
        return [{row["record_id"]: row["id"] for row in answers[place]} for place in self._places]

    def announced(self, answers: Sequence[list[Row]]) -> list[Row]:
        """Read which jobs are to be announced now.

        Args:
            answers: to `statements`.
        """
        if not self._statements:
            return []
        fresh = [
            row
            for place in self._places
            for row in answers[place]
            if row["announced"] and row["id"] in self._new_ids
        ]
        return [*fresh, *answers[len(self._statements)]]
