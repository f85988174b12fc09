"""How much of a batch is in memory at once: the bounds of a wave, and which jobs start with it.

An isolate has 128 MB, for all that runs in it. Of these about 40 are taken when nothing runs yet.
The bindings of Workers AI and Vectorize are JavaScript in the same isolate: a call of 1,000 vectors
of 1,024 numbers makes 22 MB of JSON and 80 MB of heap there. So a batch runs in waves. A wave
starts its jobs, reads their texts, embeds, indexes and stores them before the next one starts.
`tests/worker/test_memory.py` measures what that comes to.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cognate.ports import Statement
from cognate.text_limits import MAX_TEXT_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeVar

    from cognate.schema.collections import Collection

    Item = TypeVar("Item")

MAX_WAVE_CHARACTERS: Final = 500_000
"""Characters of the texts that one wave reads: a hundred texts of 5,000, or five of the longest.
D1's answer, its JSON and the strings of Python hold each of them up to six times."""

MAX_COLUMN_CHARACTERS: Final = MAX_TEXT_CHARACTERS + 1
"""Characters that are read of one column. One more than may be embedded: the text is too long."""

MAX_WAVE_NUMBERS: Final = 204_800
"""Numbers of the vectors that one wave makes: the 200 vectors of the longest record at 1,024
dimensions, or 200 short texts. As hexadecimal digits for D1 they are 1.6 MB."""

MAX_CALL_NUMBERS: Final = 102_400
"""Numbers in one call of Vectorize: 100 vectors of 1,024, as many as one call of Workers AI
answers. They are 2.2 MB of JSON, and 8 MB of heap while it is written."""

STARTABLE: Final = (
    "FROM cognate_jobs j WHERE j.id IN (SELECT value FROM json_each(?1)) "
    "AND (j.status = 'queued' OR (j.status = 'running' "
    "AND (j.due_at < ?3 OR j.id IN (SELECT value FROM json_each(?2)))))"
)
"""Jobs that can be started at the time ?3: they are queued, or whoever ran them has died."""


POSTED_CHARACTERS: Final = (
    "COALESCE((SELECT length(s.posted_text) FROM cognate_embeddings s "
    "WHERE s.organization_id = j.organization_id AND s.scope = j.scope "
    "AND s.record_id = j.record_id), 0)"
)
"""Length of the text that was posted for the record of a job `j`."""


def grouped(items: Iterable[Item], size: Callable[[Item], int], limit: int) -> Iterator[list[Item]]:
    """Items in order, in groups whose sizes add up to at most `limit`; none is divided.

    The next item is taken only when its group is asked for.
    """
    group: list[Item] = []
    total = 0
    for item in items:
        if group and total + size(item) > limit:
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item)
    if group:
        yield group


def startable_statement(ids: Sequence[str], redelivered: Sequence[str], moment: str) -> Statement:
    """Which of these jobs a consumer can start now.

    Args:
        ids: of jobs.
        redelivered: those whose message came back: whoever ran them has died.
        moment: the time.
    """
    parameters = (json.dumps(ids), json.dumps(redelivered), moment)
    return Statement(f"SELECT j.id {STARTABLE}", parameters)


def start_statement(
    collections: Sequence[Collection],
    ids: Sequence[str],
    redelivered: Sequence[str],
    moment: str,
    lease_end: str,
) -> Statement:
    """Start the jobs of the next wave: those whose texts fit, and at least one where there is one.

    The jobs of one record start together. A job that was started before and has no recorded error
    lost its handler: it may be what killed it. It starts when all others are done, and alone.

    Args:
        collections: all that the schema has.
        ids: see `startable_statement`.
        redelivered: see `startable_statement`.
        moment: the time.
        lease_end: until when the jobs are left to this consumer.
    """
    return Statement(
        "WITH candidates AS ("  # noqa: S608 - constants, and names of the schema
        "SELECT j.id, MAX(j.attempts > 0 AND j.error_code IS NULL) OVER record AS lost_handler, "
        "MAX(j.attempts) OVER record AS attempts, MIN(j.id) OVER record AS first_id, "
        f"{POSTED_CHARACTERS} + {_characters(collections)} AS characters {STARTABLE} "
        "WINDOW record AS (PARTITION BY j.organization_id, j.scope, j.record_id)"
        "), ranked AS ("
        # The jobs of one record are equals here: they have one rank and one total.
        "SELECT id, lost_handler, RANK() OVER turn AS place, SUM(characters) OVER turn AS total "
        "FROM candidates WINDOW turn AS (ORDER BY lost_handler, attempts, first_id)) "
        "UPDATE cognate_jobs SET status = 'running', attempts = attempts + 1, updated_at = ?3, "
        # A job that comes back without an error has therefore lost its handler.
        "error_code = NULL, error_message = NULL, due_at = ?4 WHERE id IN (SELECT id FROM ranked "
        "WHERE place = 1 OR (NOT lost_handler AND total <= ?5)) "
        "RETURNING id, scope, source, charges, attempts",
        (json.dumps(ids), json.dumps(redelivered), moment, lease_end, MAX_WAVE_CHARACTERS),
    )


def _characters(collections: Sequence[Collection]) -> str:
    """An SQL expression for how many characters of the record of a job `j` are read."""
    cases = []
    for collection in collections:
        lengths = " + ".join(
            f'MIN(COALESCE(length(r."{column}"), 0), {MAX_COLUMN_CHARACTERS})'
            for column in collection.columns
        )
        cases.append(
            f"WHEN '{collection.scope}' THEN (SELECT {lengths} FROM \"{collection.sql_table}\" r "  # noqa: S608 - names of the schema
            "WHERE r.organization_id = j.organization_id AND r.id = j.record_id)"
        )
    return f"COALESCE(CASE j.scope {' '.join(cases)} END, 0)"
