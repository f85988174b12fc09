"""Similarity filters over the metadata of a table. They are checked before the search begins.

A filter is used twice. Vectorize gets its `conditions`. They may let too many vectors through, but
never too few. Vectorize indexes only the first 64 bytes of a string, so a condition that it cannot
decide is widened or left out. Every match is then read from D1, and `matches` decides exactly.

Vectorize does not document how `$ne` and `$nin` treat a vector without the key, or what null means.
So null is refused, and a record without a value meets no condition, as in SQL.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from cognate.errors import FieldError, InvalidInput
from cognate.ports import MAX_FILTER_BYTES, Scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from cognate.schema.field_types import MetadataType

MAX_LIST: Final = 100
"""Values in one `$in` or `$nin`. This limit is ours; Vectorize limits the filter's length."""

MAX_INDEXED_BYTES: Final = 64
"""Bytes of a string's UTF-8 that Vectorize indexes, cut between characters."""

MAX_DECIDABLE_BYTES: Final = MAX_INDEXED_BYTES - 4
"""A string of up to this length was never cut, because a cut leaves at least 61 bytes."""

MAX_EXACT_INTEGER: Final = 2**53 - 1
"""The index and JavaScript hold numbers as float64, exact for integers up to this."""

LOWER_BOUNDS: Final = frozenset({"$gt", "$gte"})
UPPER_BOUNDS: Final = frozenset({"$lt", "$lte"})
LISTS: Final = frozenset({"$in", "$nin"})
OPERATORS: Final = ("$eq", "$ne", "$in", "$nin", "$lt", "$lte", "$gt", "$gte")

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SCOPE_NAMES: Final = frozenset({"organizationId", "organization_id", "table"})
_WORDS: Final[Mapping[str, str]] = {
    "string": "a string of whole characters",
    "number": "a finite number, as an integer at most 2^53 - 1 in size",
    "boolean": "true or false",
}
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$in": lambda value, values: value in values,
    "$nin": lambda value, values: value not in values,
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition on one key. `value` is a tuple for `$in` and `$nin`."""

    key: str
    operator: str
    value: Scalar | tuple[Scalar, ...]

    def matches(self, value: Scalar | None) -> bool:
        """Whether the value of a record meets the condition. None and other types never do."""
        sample = self.value[0] if isinstance(self.value, tuple) else self.value
        if value is None or not _comparable(value, sample):
            return False
        return _COMPARE[self.operator](value, self.value)

    @property
    def is_range(self) -> bool:
        """Whether the clause orders values. Large indexes do that less accurately."""
        return self.operator in LOWER_BOUNDS | UPPER_BOUNDS

    def indexed(self) -> Scalar | list[Scalar] | None:
        """The value for Vectorize, such that no match is lost; None to leave the clause out."""
        if isinstance(self.value, tuple):
            if self.operator == "$in":
                return list(dict.fromkeys(map(_cut, self.value)))
            return [value for value in self.value if _is_decidable(value)] or None
        if self.operator == "$eq":
            return _cut(self.value)
        return self.value if _is_decidable(self.value) else None


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked filter. A record must meet all clauses; without clauses, every record does.

    Attributes:
        clauses: in the order of the request.
        pointer: the place of the filter in the request, for messages.
    """

    clauses: tuple[Clause, ...] = ()
    pointer: str = "/filter"

    @property
    def has_ranges(self) -> bool:
        """Whether any clause orders values."""
        return any(clause.is_range for clause in self.clauses)

    def without_ranges(self) -> Filter:
        """The same filter without the clauses that order values."""
        return replace(self, clauses=tuple(item for item in self.clauses if not item.is_range))

    @property
    def conditions(self) -> dict[str, Any]:
        """The clauses for Vectorize, never narrower than `matches` and sometimes wider."""
        found: dict[str, Any] = {}
        for clause in self.clauses:
            value = clause.indexed()
            if value is not None:
                found.setdefault(clause.key, {})[clause.operator] = value
        return found

    def with_scope(self, organization_id: str, table: str) -> dict[str, Any]:
        """The complete Vectorize filter: the conditions, the organization and the table.

        Raises:
            InvalidInput: the filter is longer than Vectorize takes.
        """
        scope = {"organizationId": _cut(organization_id), "table": _cut(table)}
        complete = {**self.conditions, **scope}
        length = len(json.dumps(complete, ensure_ascii=False, separators=(",", ":")).encode())
        if length > MAX_FILTER_BYTES:
            message = (
                f"comes to {length} bytes as JSON with the organization and the table, of at most "
                f"{MAX_FILTER_BYTES}; use fewer or shorter values"
            )
            raise InvalidInput(FieldError(self.pointer, message))
        return complete

    def matches(self, metadata: Mapping[str, Scalar | None]) -> bool:
        """Whether the metadata of a record, by JSON name, meets every clause exactly.

        Strings compare by code points, which is the order of their UTF-8. A record without a value
        (None, or no such key) meets no clause, not even `$ne` or `$nin`. A boolean may be 0 or 1,
        because D1 stores it so.
        """
        return all(clause.matches(metadata.get(clause.key)) for clause in self.clauses)


def parse_filter(
    filter: object,  # noqa: A002 - its name in JSON
    fields: Mapping[str, MetadataType],
    pointer: str = "/filter",
) -> Filter:
    """Check the JSON of a filter against the metadata that a table declares.

    Args:
        filter: an object. Each key has a bare value (`$eq`) or an object of operators.
        fields: the metadata fields, JSON name to type.
        pointer: the place of the filter in the request, for messages.

    Raises:
        InvalidInput: with one entry for each broken rule.
    """
    if not isinstance(filter, Mapping):
        message = "must be an object of metadata fields and the values they should have"
        raise InvalidInput(FieldError(pointer, message))
    errors: list[FieldError] = []
    clauses: list[Clause] = []
    for key, condition in filter.items():
        here = f"{pointer}/{_escaped(str(key))}"
        kind = fields.get(key)
        if (problem := _reserved(key)) is not None:
            errors.append(FieldError(here, problem))
        elif kind is None:
            errors.append(FieldError(here, _undeclared(fields)))
        else:
            operators = condition if isinstance(condition, Mapping) else {"$eq": condition}
            broken = list(_broken_rules(condition, operators, kind, here))
            errors += broken
            if not broken:
                clauses += [
                    Clause(key, name, tuple(value) if isinstance(value, list) else value)
                    for name, value in operators.items()
                ]
    if errors:
        raise InvalidInput(*errors)
    return Filter(tuple(clauses), pointer)


def _reserved(key: object) -> str | None:
    """Why no table can declare this key; None if one can."""
    if not isinstance(key, str) or not key:
        return "must be the name of a metadata field"
    if key in _SCOPE_NAMES:
        return "cannot be filtered by: the server sets the organization and the table; remove it"
    if key.startswith("$") or "." in key or '"' in key:
        return (
            "is no metadata field: operators such as $eq stand inside a field's object, "
            "and names hold no dots or quotes"
        )
    return None


def _undeclared(fields: Collection[str]) -> str:
    if not fields:
        return "cannot be filtered by: this table declares no metadata; remove it"
    return f"is no metadata field of this table; use one of {', '.join(fields)}"


def _broken_rules(
    condition: object, operators: Mapping[Any, Any], kind: MetadataType, here: str
) -> Iterator[FieldError]:
    """The rules that the condition of one key breaks."""
    if not operators:
        yield FieldError(here, f"needs a value or one of {', '.join(OPERATORS)}")
    for name, value in operators.items():
        there = f"{here}/{_escaped(str(name))}" if isinstance(condition, Mapping) else here
        if name not in OPERATORS:
            yield FieldError(there, f"is no operator; use one of {', '.join(OPERATORS)}")
        elif name in LISTS:
            yield from _broken_list_rules(value, kind, there)
        elif kind == "boolean" and name in LOWER_BOUNDS | UPPER_BOUNDS:
            yield FieldError(there, "cannot order true and false; use $eq, $ne, $in or $nin")
        elif not _is(value, kind):
            yield FieldError(there, _expected(value, kind))
    names = set(operators) & set(OPERATORS)
    one_of_each = len(names & LOWER_BOUNDS) <= 1 and len(names & UPPER_BOUNDS) <= 1
    if len(names) > 1 and not (names <= LOWER_BOUNDS | UPPER_BOUNDS and one_of_each):
        yield FieldError(
            here,
            "combines operators that cannot be combined; use one alone, or one of $gt and $gte "
            "with one of $lt and $lte",
        )


def _broken_list_rules(values: object, kind: MetadataType, here: str) -> Iterator[FieldError]:
    """The rules that the value of an `$in` or `$nin` breaks."""
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_LIST:
        yield FieldError(here, f"must be a list of 1 to {MAX_LIST} values")
        return
    for number, value in enumerate(values):
        if not _is(value, kind):
            yield FieldError(f"{here}/{number}", _expected(value, kind))


def _is(value: object, kind: MetadataType) -> bool:
    """Whether a value may be compared with metadata of this type."""
    if kind == "string":
        return isinstance(value, str) and not _SURROGATE.search(value)
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) <= MAX_EXACT_INTEGER
    return isinstance(value, float) and math.isfinite(value)


def _expected(value: object, kind: MetadataType) -> str:
    if value is None:
        return f"must be {_WORDS[kind]}: a filter cannot ask for null; leave the field out"
    return f"must be {_WORDS[kind]}"


def _comparable(value: Scalar, sample: Scalar) -> bool:
    """Whether the value of a record has the type of the filter's value."""
    if isinstance(sample, bool):
        return isinstance(value, (bool, int)) and value in (0, 1)
    if isinstance(sample, str) or isinstance(value, (str, bool)):
        return isinstance(sample, str) and isinstance(value, str)
    return True


def _cut(value: Scalar) -> Scalar:
    """The value as the index holds it."""
    if isinstance(value, str):
        return value.encode()[:MAX_INDEXED_BYTES].decode(errors="ignore")
    return value


def _is_decidable(value: Scalar) -> bool:
    """Whether the index can tell the value from every longer string, and order it among them."""
    return not isinstance(value, str) or len(value.encode()) <= MAX_DECIDABLE_BYTES


def _escaped(name: str) -> str:
    """Escape a name for a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
