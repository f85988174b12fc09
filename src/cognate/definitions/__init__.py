"""What a user writes in `schema.py`: tables, their embeddings, similarity services.

Every definition is checked when it is made; a mistake is a `DefinitionError` that says what to
change, at import, not at the first request.
"""

from cognate.definitions.access import Access
from cognate.definitions.application import Cognate, IndexDefinition
from cognate.definitions.embeddings import Embeddings
from cognate.definitions.guards import Guards
from cognate.definitions.ownership import Owner
from cognate.definitions.scalars import MetadataType
from cognate.definitions.similarities import GrayZone, Similarity, Thresholds
from cognate.definitions.tables import Record, Table

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
