"""A database with years of work in it: organizations of different sizes, written in SQL."""

from __future__ import annotations

import sqlite3
from array import array
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cognate.embedding.decide import content_hash, index_hash
from cognate.embedding.sketches import sketch
from cognate.ids import vector_key
from cognate.models import DEFAULT_MODEL
from cognate.schema.collections import POSTED_TEXTS
from cognate.times import to_iso
from local.demo.organizations import DemoOrganization, seed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from cognate.schema.collections import Collection

NOW: Final = datetime.now(UTC)
TEXTS: Final = POSTED_TEXTS[DEFAULT_MODEL]
LONG_AGO: Final = timedelta(days=60)
"""Longer than anything finished is kept."""

OFTEN: Final = "INPUT_REJECTED"
"""Code of failed jobs of which a large organization has many."""

SELDOM: Final = "AI_TIMEOUT"
"""Code of the few failed jobs that every organization has."""

FEW: Final = 20
WITH_VECTORS: Final = 500
"""Records of each table that have vectors; the others have a byte in their place, which keeps the
file small."""


@dataclass(frozen=True)
class Filled:
    """One organization and the number of its claims."""

    demo: DemoOrganization
    records: int


CROWDED: Final = DemoOrganization("crowded", "Organization crowded", "Member crowded")
"""It has thousands of jobs that wait behind a full window."""

WAITING: Final = 4000
ANNOUNCED: Final = 500
SINGLE: Final = 30
"""Other organizations that have one waiting job each."""


def organization(slug: str, records: int) -> Filled:
    """An organization by its slug."""
    return Filled(DemoOrganization(slug, f"Organization {slug}", f"Member {slug}"), records)


def fill(
    database: Path,
    auth_database: Path,
    collections: Iterable[Collection],
    organizations: Iterable[Filled],
) -> None:
    """Write records, states, jobs, texts, backfills, keys and sessions of these organizations."""
    claims, articles, notes = collections = list(collections)
    filled = list(organizations)
    seed(auth_database, [CROWDED, *(item.demo for item in filled)])
    for path in {database, auth_database}:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            with connection:
                if path == auth_database:
                    _sessions(connection)
                if path == database:
                    for item in filled:
                        _records(connection, claims, item, item.records)
                        _records(connection, articles, item, item.records // 4)
                        _records(connection, notes, item, item.records // 4)
                        _records(connection, TEXTS, item, item.records // 4)
                        _requests(connection, claims, item)
                    _crowd(connection, claims)
                    _indexes(connection, {table.model.index_binding for table in collections})


def record_id(number: int) -> str:
    """The id of one of the records."""
    return f"filled_{number:06d}"


def _sessions(connection: sqlite3.Connection) -> None:
    """Twenty thousand users of other organizations, with a session each."""
    connection.executescript(
        """
        CREATE TEMP TABLE numbers AS WITH RECURSIVE numbers (n) AS (
          SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 19999
        ) SELECT n FROM numbers;
        INSERT INTO organization (id, name, slug)
          SELECT 'o' || n, 'O', 'o' || n FROM numbers WHERE n < 1000;
        INSERT INTO "user" (id, name, email) SELECT 'u' || n, 'U', 'u' || n FROM numbers;
        INSERT INTO member (id, organization_id, user_id, role)
          SELECT 'm' || n, 'o' || (n % 1000), 'u' || n, 'member' FROM numbers;
        INSERT INTO session (id, token, user_id, expires_at, active_organization_id)
          SELECT 's' || n, 'token' || n, 'u' || n, '2099', 'o' || (n % 1000) FROM numbers;
        DROP TABLE numbers;
        """
    )


def _records(
    connection: sqlite3.Connection, collection: Collection, item: Filled, count: int
) -> None:
    """Rows with vectors, what is known of them, and the jobs that were done for them."""
    dimensions = collection.model.dimensions
    vector = array("f", [dimensions**-0.5] * dimensions).tobytes()
    numbers = [(number, _text(number), to_iso(_made(number))) for number in range(count)]
    owner = item.demo.id
    fields = "".join(f', "{name}"' for name in (*collection.fields, *collection.metadata))
    metadata = {name: _metadata(kind) for name, kind in collection.metadata.items()}
    rows = [
        (
            owner,
            record_id(number),
            vector,
            made,
            *([text] * len(collection.fields)),
            *metadata.values(),
        )
        for number, text, made in numbers
    ]
    marks = ", ".join("?" * len(rows[0])) if rows else ""
    connection.executemany(
        f'INSERT INTO "{collection.sql_table}" (organization_id, id, '  # noqa: S608 - names of the schema
        f'"{collection.embedding_column}", created_at{fields}) VALUES ({marks})',
        rows,
    )
    connection.executemany(
        "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, "
        "revision, embedded_revision, sketch, content_hash, fingerprint, index_hash, chunks, "
        "embedded_at, indexed_at) VALUES (?, ?, ?, ?, 1, 1, ?, ?, ?, ?, '[[0, 10]]', ?, ?)",
        (
            (
                owner,
                collection.scope,
                record_id(number),
                vector_key(owner, collection.scope, record_id(number)),
                bytes.fromhex(sketch(vector)),
                (
                    hashed := content_hash(
                        collection.text_of(dict.fromkeys(collection.fields, text)), collection.model
                    )
                ),
                collection.model.fingerprint,
                index_hash(hashed, collection.metadata_of(metadata)),
                made,
                made,
            )
            for number, text, made in numbers
        ),
    )
    connection.executemany(
        "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, model, source, status, "
        "attempts, announced, error_code, error_message, due_at, created_at, updated_at, "
        "completed_at) VALUES (?, ?, ?, ?, ?, 'write', ?, 1, 1, ?, ?, '9999', ?, ?, ?)",
        (
            (f"job_{number:06d}_{kind}_{owner}_{collection.scope}", owner, collection.scope,
             record_id(number), collection.model.name, status, code, code, made, made, made)
            for number, _, made in numbers
            for kind, status, code in _history(number)
        ),
    )  # fmt: skip


def _history(number: int) -> Iterator[tuple[str, str, str | None]]:
    """Jobs of one record: kind, status and error code."""
    yield "first", "done", None
    if number % 7 == 0:
        yield "second", "superseded", None
    if number < FEW:
        yield "few", "failed", SELDOM
    elif number % 10 == 0:
        yield "often", "failed", OFTEN


def _crowd(connection: sqlite3.Connection, collection: Collection) -> None:
    """Jobs that wait to be let out, and those that are let out and have not arrived yet."""
    owner, scope = CROWDED.id, collection.scope
    soon, made = to_iso(NOW + timedelta(hours=1)), to_iso(NOW)
    jobs = [
        (f"job_{owner}_{number:06d}", owner, record_id(number), int(number < ANNOUNCED))
        for number in range(WAITING)
    ]
    jobs += [(f"job_single_{number}", f"single_{number}", "none", 0) for number in range(SINGLE)]
    connection.executemany(
        f'INSERT INTO "{collection.sql_table}" (organization_id, id, content) '  # noqa: S608 - a name of the schema
        "VALUES (?, ?, 'It waits')",
        [(owner, record_id(number)) for number in range(WAITING)],
    )
    connection.executemany(
        "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, revision) "
        "VALUES (?, ?, ?, ?, 1)",
        [
            (owner, scope, record_id(number), vector_key(owner, scope, record_id(number)))
            for number in range(WAITING)
        ],
    )
    connection.executemany(
        "INSERT INTO cognate_jobs (id, organization_id, record_id, announced, scope, model, "
        "source, priority, status, due_at, created_at, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, 'write', 1, 'queued', ?, ?, ?)",
        [
            (*job, scope, collection.model.name, soon if job[-1] else "9999", made, made)
            for job in jobs
        ],
    )


def _indexes(connection: sqlite3.Connection, bindings: Iterable[str]) -> None:
    """The indexes show everything."""
    connection.executemany(
        "INSERT INTO cognate_indexes (binding, shown_before, observed_at, earlier_shown_before, "
        "earlier_observed_at, vectors) VALUES (?, ?, ?, '', '', 20000)",
        [(binding, to_iso(NOW), to_iso(NOW)) for binding in bindings],
    )


def _requests(connection: sqlite3.Connection, collection: Collection, item: Filled) -> None:
    """Idempotency keys and backfills."""
    owner = item.demo.id
    connection.executemany(
        "INSERT INTO cognate_idempotency_keys (organization_id, key, request_hash, token, "
        "created_at) VALUES (?, ?, 'hash', ?, ?)",
        (
            (owner, f"key-{number}", f"{owner}-{number}", to_iso(NOW))
            for number in range(item.records // 4)
        ),
    )
    connection.executemany(
        "INSERT INTO cognate_backfills (id, organization_id, scope, selection, status, token, "
        "due_at, created_at, updated_at, completed_at) "
        "VALUES (?, ?, ?, 'all', 'done', ?, '', ?, ?, ?)",
        (
            (
                f"backfill_{owner}_{number}",
                owner,
                collection.scope,
                f"{owner}-{number}",
                *([made] * 3),
            )
            for number in range(item.records // 4)
            for made in [to_iso(_made(number))]
        ),
    )


def _made(number: int) -> datetime:
    """Within the last days, another minute for each record."""
    return NOW - timedelta(days=20) + timedelta(minutes=number)


def _text(number: int) -> str:
    return f"The filled record number {number} says the same as all others."


def _metadata(kind: str) -> str | int:
    return 1999 if kind == "number" else "kept"
