"""Decide whether a backfill queues a job for a record. Pure function."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from cognate.embedding.decide import content_hash, index_hash

if TYPE_CHECKING:
    from cognate.ports import Row
    from cognate.schema.collections import Collection


class Selection(StrEnum):
    """The records of a table that a backfill embeds."""

    MISSING = "missing"
    """Records that no job has ever read. A failed job is retried instead."""
    STALE = "stale"
    """Records whose vectors or indexed metadata do not match the record."""
    ALL = "all"
    """All records. One that has not changed is written to the index again, but not embedded
    again."""


def needs(selection: Selection, collection: Collection, row: Row) -> bool:
    """Return True if a record needs a job.

    Args:
        selection: the selection of the backfill.
        collection: the collection of the record.
        row: a row of the last statement of `walk.read_step`. It has the record's columns as
            `field_…`, the hashes of its state row as `stored_content` and `stored_index` (None if
            it has no state row) and its `posted_text`. The others are flags: a job is `queued` or
            `running`, the last job has `failed`, the record was `changed` since a job read it, and
            its row still `holds` its vectors.
    """
    if selection is Selection.ALL:
        return True
    if row["queued"] or row["failed"]:
        return False  # A queued job will read the record. A failed job is retried instead.
    if selection is Selection.MISSING:
        return row["stored_content"] is None and not row["running"]
    return row["stored_content"] is not None and _is_stale(collection, row)


def _is_stale(collection: Collection, row: Row) -> bool:
    if row["changed"] or not row["holds"]:
        return True  # The job will find out whether the change matters.
    posted = row["posted_text"]
    fields = {column: row[f"field_{column}"] for column in collection.columns}
    text = collection.text_of(fields) if posted is None else posted
    content = content_hash(text, collection.model)
    if row["stored_content"] != content:
        # Blank texts count as equal, because there is nothing to embed.
        return bool(text.strip()) or row["stored_content"] != content_hash("", collection.model)
    return bool(text.strip()) and row["stored_index"] != index_hash(
        content, collection.metadata_of(fields)
    )
