"""Whether a backfill has a record embedded again: pure, from its row and what is known of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from cognate.embedding.decide import content_hash, index_hash

if TYPE_CHECKING:
    from cognate.ports import Row
    from cognate.schema.collections import Collection


class Selection(StrEnum):
    """Which records of a table."""

    MISSING = "missing"
    """Those that no job has looked at; one that failed is replayed instead."""
    STALE = "stale"
    """Those whose vectors or indexed metadata are not those of what the record says now."""
    ALL = "all"
    """Every one; what has not changed is written to the index again and not embedded again."""


def needs(selection: Selection, collection: Collection, row: Row) -> bool:
    """Whether this record is to be looked at.

    Args:
        selection: of the backfill.
        collection: of the record.
        row: the record's columns as `field_…`, and of its state `content_hash` and `index_hash` as
            `stored_content` and `stored_index` (None without a state) and `posted_text`, whether a
            job is `queued` or `running`, whether its last word is `failed`, whether it was
            `changed` since a job last looked, and whether the row still `holds` its vectors.
    """
    if selection is Selection.ALL:
        return True
    if row["queued"] or row["failed"]:
        return False  # The one reads the record when its turn comes; the other is replayed.
    if selection is Selection.MISSING:
        return row["stored_content"] is None and not row["running"]
    return row["stored_content"] is not None and _is_stale(collection, row)


def _is_stale(collection: Collection, row: Row) -> bool:
    if row["changed"] or not row["holds"]:
        return True  # Its job finds out whether the change has made a difference.
    posted = row["posted_text"]
    fields = {column: row[f"field_{column}"] for column in collection.columns}
    text = collection.text_of(fields) if posted is None else posted
    content = content_hash(text, collection.model)
    if row["stored_content"] != content:
        # Texts without a letter are one: there is nothing to embed.
        return bool(text.strip()) or row["stored_content"] != content_hash("", collection.model)
    return bool(text.strip()) and row["stored_index"] != index_hash(
        content, collection.metadata_of(fields)
    )
