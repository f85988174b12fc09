"""The records of the tables: written with their jobs, and read back; no HTTP in here."""

from cognate.records.operations import Create, Delete, Deleted, Operation, Update
from cognate.records.permissions import refusals_to_embed, require_access, require_searchable
from cognate.records.query import RecordQuery, parse_query
from cognate.records.read import get_record, list_records
from cognate.records.version import Condition, StoredRecord
from cognate.records.write import write_records

__all__ = [
    "Condition",
    "Create",
    "Delete",
    "Deleted",
    "Operation",
    "RecordQuery",
    "StoredRecord",
    "Update",
    "get_record",
    "list_records",
    "parse_query",
    "refusals_to_embed",
    "require_access",
    "require_searchable",
    "write_records",
]
