"""Parse and match the metadata filters of Vectorize.

A filter is a conjunction of conditions on indexed properties; there is no OR. A condition is a bare
value (`$eq`), one operator, or a lower bound with an upper bound. Strings are ordered by code
point. If the vector is not in the metadata index of a property, or its value has another type, no
condition matches, `$ne` and `$nin` included.

Source: Cloudflare's page "Metadata filtering", November 2026. It does not say what `$ne` does with
a missing property, nor what a string beyond the indexed 64 bytes matches. Here neither matches.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from local.vectorize.limits import (
    MAX_FILTER_BYTES,
    MAX_FILTER_KEY,
    compact_json_bytes,
    malformed_query,
)

if TYPE_CHECKING:
    from local.vectorize.metadata_index import IndexedValue

_LOWER: Final = frozenset({"$gt", "$gte"})
_UPPER: Final = frozenset({"$lt", "$lte"})
_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_SETS: Final = frozenset({"$in", "$nin"})
_EQUALITY: Final = frozenset({"$eq", "$ne"})
OPERATORS: Final = _EQUALITY | _SETS | _LOWER | _UPPER
"""All eight operators."""


@dataclass(frozen=True)
class FilterCondition:
    """One operator on one property. `operand` is a scalar, None, or a tuple of these."""

    key: str
    operator: str
    operand: object


@dataclass(frozen=True)
class VectorFilter:
    """A valid filter. A vector passes if all conditions hold."""

    conditions: tuple[FilterCondition, ...]

    def matches(self, indexed: Mapping[str, IndexedValue]) -> bool:
        """Whether a vector with these indexed values passes."""
        return all(_holds(condition, indexed.get(condition.key)) for condition in self.conditions)


def parse_metadata_filter(value: object) -> VectorFilter:
    """Parse the filter of a query.

    Raises:
        BindingError: 40026, the filter is not valid.
    """
    if not isinstance(value, Mapping) or not value:
        _refuse("must be a non-empty object")
    size = compact_json_bytes(value)
    if size > MAX_FILTER_BYTES:
        reason = f"the compact JSON representation must be less than {MAX_FILTER_BYTES + 1} bytes"
        _refuse(f"{reason}, got {size} bytes")
    conditions: list[FilterCondition] = []
    for key, condition in value.items():
        _check_key(key)
        conditions.extend(_conditions(key, condition))
    return VectorFilter(tuple(conditions))


def _conditions(key: str, condition: object) -> list[FilterCondition]:
    if not isinstance(condition, Mapping):
        return [FilterCondition(key, "$eq", _scalar(key, "$eq", condition))]
    names = set(condition)
    unknown = sorted(names - OPERATORS)
    if unknown:
        _refuse(f'unknown operator "{unknown[0]}" for key "{key}"')
    is_range = len(names & _LOWER) <= 1 and len(names & _UPPER) <= 1 and names <= _LOWER | _UPPER
    if not names or (len(names) > 1 and not is_range):
        _refuse(f'operators for key "{key}" cannot be combined: {", ".join(sorted(names))}')
    return [
        FilterCondition(key, name, _operand(key, name, given)) for name, given in condition.items()
    ]


def _operand(key: str, name: str, given: object) -> object:
    if name in _SETS:
        if not isinstance(given, list):
            _refuse(f'{name} for key "{key}" needs an array')
        return tuple(_scalar(key, name, item) for item in given)
    value = _scalar(key, name, given)
    if name in _ORDERED and (isinstance(value, bool) or value is None):
        _refuse(f'{name} for key "{key}" needs a string or a number')
    return value


def _scalar(key: str, name: str, value: object) -> IndexedValue | None:
    if value is not None and not isinstance(value, str | bool | int | float):
        _refuse(f'{name} for key "{key}" needs a string, a number, a boolean or null')
    # Numbers are compared as float64. A boolean is an int in Python, but not here.
    return float(value) if type(value) is int else value


def _check_key(key: object) -> None:
    if not isinstance(key, str) or len(key) > MAX_FILTER_KEY:
        _refuse(f"keys must not be longer than {MAX_FILTER_KEY} characters")
    for part in key.split("."):
        if not part or part.startswith("$") or '"' in part:
            reason = 'keys must not be empty, contain a double quote, or start with "$"'
            _refuse(f"{reason}, got {key}")


def _holds(condition: FilterCondition, value: IndexedValue | None) -> bool:
    if value is None:
        return False
    name, operand = condition.operator, condition.operand
    if isinstance(operand, tuple):
        inside = any(_equal(value, item) for item in operand)
        return inside if name == "$in" else not inside
    if name == "$eq":
        return _equal(value, operand)
    if name == "$ne":
        return not _equal(value, operand) and (operand is None or _same_type(value, operand))
    return _same_type(value, operand) and _ORDERED[name](value, operand)


def _equal(value: IndexedValue, operand: object) -> bool:
    return _same_type(value, operand) and value == operand


def _same_type(value: IndexedValue, operand: object) -> bool:
    # Not isinstance, because a boolean is an int in Python and 1 equals True.
    return type(value) is type(operand)


def _refuse(reason: str) -> NoReturn:
    problem = f"filter: {reason}"
    raise malformed_query(problem)
