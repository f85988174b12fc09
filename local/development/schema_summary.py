"""Check Cognate's sources, and describe `src/schema.py` for `make dev`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.running.source_check import SourceCheck, SourceSummary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType


@dataclass(frozen=True)
class SchemaSummary(SourceSummary):
    """The parts of a schema that `make dev` uses.

    Attributes:
        columns: each table with the columns that its SQL table must have.
        services: the names of the similarity services.
    """

    columns: Mapping[str, Sequence[str]]
    services: Sequence[str]


def describe(schema: ModuleType) -> dict[str, Any]:
    """The attributes of the `SchemaSummary` of `src/schema.py`, as JSON values.

    It runs in the process of the check. `cognate` is imported here and not at the top, so that the
    sources to check are the ones that are found.
    """
    app = schema.app
    # Making the API finds mistakes that the schema itself does not.
    importlib.import_module("cognate.api.application").Application(app)
    needed_columns = importlib.import_module("cognate.schema.ddl").needed_columns
    return {
        "indexes": [
            {
                "binding": index.binding,
                "name": index.name,
                "dimensions": index.dimensions,
                "metric": index.metric,
                "metadataIndexes": dict(index.metadata_indexes),
            }
            for index in app.vector_indexes()
        ],
        "columns": {name: list(needed_columns(table)) for name, table in app.tables.items()},
        "services": list(app.similarities),
    }


SCHEMA_CHECK: Final = SourceCheck(
    SchemaSummary, describe=f"{__name__}:{describe.__name__}", first="schema", library="cognate"
)
"""The check of Cognate's sources."""
