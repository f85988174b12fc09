"""Records of the user's tables: read them, and write them together with their embedding jobs."""

from cognate.records.changes import (
    Change,
    Create,
    Delete,
    Deleted,
    Outcome,
    Precondition,
    StoredRecord,
    Update,
)
from cognate.records.permissions import refusals_to_embed
from cognate.records.query import RecordQuery, parse_list_query
from cognate.records.read import get_record, list_records
from cognate.records.write import MAX_CHANGES, write_records

__all__ = [
    "MAX_CHANGES",
    "Change",
    "Create",
    "Delete",
    "Deleted",
    "Outcome",
    "Precondition",
    "RecordQuery",
    "StoredRecord",
    "Update",
    "get_record",
    "list_records",
    "parse_list_query",
    "refusals_to_embed",
    "write_records",
]
