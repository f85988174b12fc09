"""What a user writes in `schema.py`: tables, their embeddings, similarity services.

Every definition is checked when it is made; a mistake is a `DefinitionError` that says what to
change, at import, not at the first request.
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
