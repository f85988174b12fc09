"""Tell the local platform which Vectorize indexes `src/schema.py` needs."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cognate import Cognate


def write_index_config(target: Path) -> Path:
    """Write the schema's indexes to `target`, as the platform's `--index-config` takes them.

    Raises:
        DefinitionError: the schema has a mistake. (Defining happens at import, hence the import
            here and not above.)
    """
    app: Cognate = importlib.import_module("schema").app
    indexes = [
        {
            "binding": index.binding,
            "name": index.name,
            "dimensions": index.dimensions,
            "metric": index.metric,
            "metadataIndexes": index.metadata_indexes,
        }
        for index in app.vector_indexes()
    ]
    target.write_text(json.dumps(indexes, indent=2), encoding="utf-8")
    return target
