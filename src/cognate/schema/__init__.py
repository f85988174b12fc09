"""The classes of a schema: tables, their embeddings and similarity services.

This is not the user's `src/schema.py`, which holds the definitions themselves and imports these
classes by `from cognate import ...`.

Each definition is checked when it is made. So a mistake raises a `DefinitionError` at import, not
at the first request, and its message says what to change.
"""

from cognate.schema.access import Access
from cognate.schema.cognate import Cognate, IndexDefinition
from cognate.schema.embeddings import Embeddings
from cognate.schema.field_types import MetadataType
from cognate.schema.guards import Guards
from cognate.schema.owner import Owner
from cognate.schema.similarities import GrayZone, Similarity, Thresholds
from cognate.schema.tables import Record, Table

__all__ = [
    "Access",
    "Cognate",
    "Embeddings",
    "GrayZone",
    "Guards",
    "IndexDefinition",
    "MetadataType",
    "Owner",
    "Record",
    "Similarity",
    "Table",
    "Thresholds",
]
