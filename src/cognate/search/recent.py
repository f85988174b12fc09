"""Choose which of many recent chunks a search compares exactly.

After an import, thousands of chunks may not be shown by the index yet. Their exact comparison would
take too long, so their sketches choose the few that are compared exactly.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cognate.embedding.index_progress import follow_indexes
from cognate.embedding.sketches import nearest_chunks, sketch
from cognate.errors import DatabaseError
from cognate.events import emit
from cognate.search.candidates import MAX_SKETCHES, PARTS, read_matched, read_sketches
from cognate.times import from_iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Platform, Row
    from cognate.search.candidates import SearchTarget

SKETCHED_CHUNKS: Final = 16
"""The sketches choose this many chunks to be compared exactly, plus one for each wanted record."""

FOLLOW_AFTER: Final = timedelta(seconds=15)
"""A search that compares sketches asks for the progress of the index, but not more often."""


async def choose_recent(
    platform: Platform, target: SearchTarget, query: bytes, wanted: int, index: Sequence[Row]
) -> tuple[list[Row], bool]:
    """Choose by their sketches the recent chunks that are nearest to the query.

    Args:
        platform: the ports.
        target: the records that the search looks at.
        query: one vector, as little-endian float32.
        wanted: how many records the caller of the search will use.
        index: the row of `read_index`.

    Returns:
        The rows of `read_matched`, and whether all recent chunks were considered.

    Raises:
        DatabaseError: D1 failed.
    """
    row = await _read(platform, target, MAX_SKETCHES + 1)
    is_complete = row["chunks"] <= row["most"] and not row["missing"]
    while row["chunks"] > row["most"]:
        row = await _read(platform, target, row["records"] * row["most"] // row["chunks"])
    parts = [number for number in range(len(PARTS) - 1) if row[f"keys{number}"] is not None]
    keys = ",".join(row[f"keys{number}"] for number in parts).split(",")
    sketches = "".join(row[f"sketches{number}"] for number in parts)
    chosen = nearest_chunks(sketch(query), sketches, keys, SKETCHED_CHUNKS + wanted)
    [rows] = await platform.database.batch([read_matched(target, chosen)])
    await _follow(platform, index)
    return rows, is_complete


async def _read(platform: Platform, target: SearchTarget, limit: int) -> Row:
    [[row]] = await platform.database.batch([read_sketches(target, limit)])
    return row


async def _follow(platform: Platform, index: Sequence[Row]) -> None:
    """Ask for the progress of the index, so that the next search has fewer chunks to compare.

    A failure does not matter to this search.
    """
    now = platform.clock.now()
    if any(from_iso(row["observed_at"]) + FOLLOW_AFTER > now for row in index):
        return
    try:
        await follow_indexes(platform)
    except DatabaseError as error:
        emit("search.index_not_followed", error=error.code)
