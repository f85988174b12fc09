"""The type of field that an annotation declares."""

from __future__ import annotations

import enum
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional, Union
from uuid import UUID

import pytest
from pydantic import (
    AwareDatetime,
    Field,
    FutureDate,
    FutureDatetime,
    NaiveDatetime,
    PastDate,
    PastDatetime,
)

from cognate.schema.field_types import allows_none, field_type, scalar_type


class Text(enum.StrEnum):
    """An enumeration of texts."""

    A = "a"


class Number(enum.IntEnum):
    """An enumeration of numbers."""

    ONE = 1


class Other(enum.Enum):
    """An enumeration of other values."""

    A = "a"


@pytest.mark.parametrize(
    ("annotation", "kind", "nullable"),
    [
        (str, "string", False),
        (str | None, "string", True),
        (Optional[str], "string", True),  # noqa: UP045 - an older way to write it
        (Union[int, None], "number", True),  # noqa: UP007 - an older way to write it
        (int, "number", False),
        (int | float, "number", False),
        (bool, "boolean", False),
        (bool | None, "boolean", True),
        (Text, "string", False),
        (Number | None, "number", True),
        (Literal["a", "b"], "string", False),
        (Literal["a", None], "string", True),  # noqa: PYI061 - an older way to write it
        (Literal[1], "number", False),
        (Literal[True], "boolean", False),
        (Annotated[str, Field(max_length=5)], "string", False),
        (Annotated[str, Field(max_length=5)] | None, "string", True),
        (Annotated[str | None, Field(max_length=5)], "string", True),
        (datetime, "datetime", False),
        (AwareDatetime | None, "datetime", True),
        (PastDatetime, "datetime", False),
        (FutureDatetime, "datetime", False),
        (date | None, "date", True),
        (PastDate, "date", False),
        (FutureDate, "date", False),
        (datetime | date, "json", False),
        (NaiveDatetime, "json", False),
        (time, "time", False),
        (UUID, "uuid", False),
        (Decimal, "decimal", False),
        (Annotated[Decimal, Field(gt=0)] | None, "decimal", True),
        (Decimal | UUID, "json", False),
        (list[str], "json", False),
        (dict[str, Any] | None, "json", True),
        (str | int, "json", False),
        (Literal["a", 1], "json", False),
        (str | list[str], "json", False),
        (str | datetime, "json", False),
        (Other, "json", False),
        (bytes, "json", False),
        (Any, "json", True),
        (None, "json", True),
    ],
)
def test_an_annotation_has_one_kind(annotation: Any, kind: str, nullable: bool) -> None:  # noqa: FBT001 - a table
    """None does not count, and a field of two types is JSON."""
    assert field_type(annotation) == kind
    assert scalar_type(annotation) == (kind if kind in {"string", "number", "boolean"} else None)
    assert allows_none(annotation) is nullable
