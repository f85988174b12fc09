"""The last D1 call of a batch: keep what was made, and say what became of each job.

Everything is fenced by the record's revision. What was made of an older text is dropped; and
because it may have reached the index after the newer one's vectors did, a repair is queued that
writes the newer ones again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.embedding.keep import keep_records
from cognate.embedding.states import revision_of
from cognate.ids import new_id
from cognate.jobs.job import JobStatus
from cognate.jobs.messages import JOB_PREFIX
from cognate.jobs.queue import release_statement
from cognate.jobs.run import JobEnd, end_statements, repair_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.embedding.index import Indexed
    from cognate.embedding.index_progress import Mutation
    from cognate.embedding.outcomes import JobOutcome
    from cognate.ports import Database, Row, Statement


@dataclass(frozen=True)
class Finished:
    """What the last call answered.

    Attributes:
        statuses: job id to the status it has now.
        repairs: number of jobs queued because an older result may be in the index.
        released: rows of (id, organization_id, scope), of jobs whose messages are to be sent now.
    """

    statuses: dict[str, JobStatus]
    repairs: int
    released: list[Row]


async def finish(
    database: Database,
    outcomes: Sequence[JobOutcome],
    waiting: Sequence[str],
    now: datetime,
    mutations: Sequence[Mutation] = (),
) -> Finished:
    """Store vectors, hashes and job statuses, and let out the next jobs, in one transaction.

    Args:
        database: D1.
        outcomes: of every job that was started.
        waiting: organizations that may have jobs which are not announced yet.
        now: the time, after the last call of an index.
        mutations: that the indexes have accepted for these jobs.

    Raises:
        DatabaseError: nothing was stored; the jobs are still running and their messages must be
            delivered again.
    """
    indexed = list({id(item.indexed): item.indexed for item in outcomes if item.indexed}.values())
    late = [item for item in indexed if item.may_have_written]
    statements = end_statements([_end(outcome) for outcome in outcomes], now)
    after_statuses = len(statements)
    statements += keep_records(indexed, mutations, now)
    first_repair = len(statements)
    statements += _repairs(late, now)
    first_release = len(statements)
    statements += [release_statement(organization, now) for organization in waiting]
    answers = await database.batch(statements)
    return Finished(
        statuses={
            row["id"]: JobStatus(row["status"]) for rows in answers[:after_statuses] for row in rows
        },
        repairs=sum(len(rows) for rows in answers[first_repair:first_release]),
        released=[row for rows in answers[first_repair:] for row in rows],
    )


def _end(outcome: JobOutcome) -> JobEnd:
    return JobEnd(
        outcome.job,
        outcome.status,
        record=revision_of(outcome.indexed) if outcome.indexed else None,
        charged=outcome.charged,
        due_at=outcome.due_at,
        code=outcome.code,
        message=outcome.message,
    )


def _repairs(items: Sequence[Indexed], now: datetime) -> list[Statement]:
    rows = [
        {
            **revision_of(item),
            "job": new_id(JOB_PREFIX, now),
            "model": item.record.collection.model.name,
        }
        for item in items
    ]
    return repair_statements(rows, now)
