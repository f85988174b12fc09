"""The Vectorize indexes of a local run, from the file that `--index-config` names."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from local.failures import StartError
from local.vectorize.limits import MAX_DIMENSIONS, MAX_METADATA_INDEXES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PropertyType = Literal["string", "number", "boolean"]
PROPERTY_TYPES: Final[tuple[PropertyType, ...]] = get_args(PropertyType)


@dataclass(frozen=True)
class IndexConfig:
    """One Vectorize index.

    Attributes:
        binding: its name in the Worker's environment.
        name: its name in the account. Its data on disk has this key.
        dimensions: components of its vectors. They cannot change while there is data.
        metadata_indexes: type by property. A dot in a property reaches into nested metadata.
    """

    binding: str
    name: str
    dimensions: int
    metadata_indexes: Mapping[str, PropertyType] = field(default_factory=dict)


_Property = Annotated[str, Field(pattern=r'^[^"$.]+(\.[^"$.]+)*$')]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    binding: str = Field(min_length=1)
    name: str = Field(min_length=1, max_length=64)
    dimensions: int = Field(ge=1, le=MAX_DIMENSIONS)
    metric: Literal["cosine"] = "cosine"
    metadata_indexes: dict[_Property, PropertyType] = Field(
        alias="metadataIndexes", default_factory=dict, max_length=MAX_METADATA_INDEXES
    )


_ENTRIES: Final = TypeAdapter(list[_Entry])


def parse_index_config(value: object) -> list[IndexConfig]:
    """The indexes of decoded JSON.

    Raises:
        StartError: the value is not valid.
    """
    try:
        entries = _ENTRIES.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        message = f"The index configuration is not valid at {place}: {first['msg']}."
        raise StartError(message) from error
    for what in ("binding", "name"):
        names = [getattr(entry, what) for entry in entries]
        if len(set(names)) < len(names):
            message = f"The index configuration names one {what} twice."
            raise StartError(message)
    return [
        IndexConfig(entry.binding, entry.name, entry.dimensions, entry.metadata_indexes)
        for entry in entries
    ]


def read_index_config(path: Path) -> list[IndexConfig]:
    """The indexes that a JSON file lists.

    Raises:
        StartError: the file cannot be read or is not valid.
    """
    try:
        return parse_index_config(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        message = f"The index configuration {path} cannot be read ({error.strerror})."
        raise StartError(message) from error
    except ValueError as error:
        message = f"The index configuration {path} is not JSON ({error})."
        raise StartError(message) from error
