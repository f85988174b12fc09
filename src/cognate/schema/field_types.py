"""Derive from the annotation of a field how its column holds values."""

from __future__ import annotations

import enum
import types
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, FutureDate, FutureDatetime, PastDate, PastDatetime

MetadataType = Literal["string", "number", "boolean"]
"""The types of values that a Vectorize metadata index can hold."""

FieldType = Literal[
    "string", "number", "boolean", "uuid", "date", "datetime", "time", "decimal", "json"
]
"""How a column holds a field: a scalar, a text in a normal form, or JSON."""

_SCALARS: Final[tuple[tuple[type, MetadataType], ...]] = (
    (bool, "boolean"),  # before int, which it is too
    (str, "string"),
    (int, "number"),
    (float, "number"),
)
_TEXTS: Final[tuple[tuple[type, FieldType], ...]] = (
    (datetime, "datetime"),  # before date, which it is too
    (AwareDatetime, "datetime"),
    (PastDatetime, "datetime"),
    (FutureDatetime, "datetime"),
    (date, "date"),
    (PastDate, "date"),
    (FutureDate, "date"),
    (time, "time"),
    (UUID, "uuid"),
    (Decimal, "decimal"),
)


def scalar_type(annotation: Any) -> MetadataType | None:  # noqa: ANN401 - any annotation at all
    """The scalar type of an annotation; None beside it does not count.

    Returns:
        None if the annotation allows no scalar, or scalars of several types.
    """
    kinds = {_scalar_of(arm) for arm in _arms(annotation)}
    return kinds.pop() if len(kinds) == 1 else None


def field_type(annotation: Any) -> FieldType:  # noqa: ANN401 - any annotation at all
    """How a column holds a field with this annotation."""
    found = scalar_type(annotation)
    if found is not None:
        return found
    kinds = {_text_of(arm) for arm in _arms(annotation)}
    # A field that may have two forms has no order in SQL, so it is stored as JSON.
    return kinds.pop() or "json" if len(kinds) == 1 else "json"


def allows_none(annotation: Any) -> bool:  # noqa: ANN401 - any annotation at all
    """Whether an annotation allows None."""
    if get_origin(annotation) is Annotated:
        return allows_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return any(allows_none(arm) for arm in get_args(annotation))
    if get_origin(annotation) is Literal:
        return None in get_args(annotation)
    return annotation in (None, types.NoneType, Any)


def _arms(annotation: Any) -> list[Any]:  # noqa: ANN401 - any annotation at all
    """The types that an annotation allows, one by one, without None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _arms(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [arm for part in get_args(annotation) for arm in _arms(part)]
    if origin is Literal:
        return [type(value) for value in get_args(annotation) if value is not None]
    return [] if annotation in (None, types.NoneType) else [annotation]


def _text_of(arm: Any) -> FieldType | None:  # noqa: ANN401 - any annotation at all
    if not isinstance(arm, type):
        return None
    return next((found for form, found in _TEXTS if issubclass(arm, form)), None)


def _scalar_of(arm: Any) -> MetadataType | None:  # noqa: ANN401 - any annotation at all
    if not isinstance(arm, type):
        return None
    if issubclass(arm, enum.Enum) and not issubclass(arm, (str, int, float)):
        return None
    return next((found for scalar, found in _SCALARS if issubclass(arm, scalar)), None)
