"""What a user writes in `schema.py`: tables, their embeddings, similarity services.

Every definition is checked when it is made; a mistake is a `DefinitionError` that says what to
change, at import, not at the first request.
"""

from cognate.definitions.application import Cognate, IndexDefinition
from cognate.definitions.similarities import GrayZone, Similarity, Thresholds
from cognate.definitions.tables import Embeddings, MetadataType, Record, Table

__all__ = [
    "Cognate",
    "Embeddings",
    "GrayZone",
    "IndexDefinition",
    "MetadataType",
    "Record",
    "Similarity",
    "Table",
    "Thresholds",
]
