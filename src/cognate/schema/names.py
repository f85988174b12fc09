"""The names that definitions may use, and how they read in JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cognate.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

SNAKE_CASE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
CAMEL_CASE: Final = re.compile(r"[a-z][a-zA-Z0-9]*")
MAX_NAME_LENGTH: Final = 63

SERVER_COLUMNS: Final = frozenset(
    {"id", "organization_id", "created_at", "updated_at", "deleted_at", "revision"}
)
"""Columns that Cognate writes itself."""

REQUEST_NAMES: Final = frozenset({"limit", "cursor", "sort", "total", "filter"})
"""What lists and searches call their own parameters: a filter by such a field could not be told
from them."""


def camel_case(name: str) -> str:
    """`story_id` as JSON has it: `storyId`."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def snake_case(name: str) -> str:
    """`claimSimilarity` as Python has it: `claim_similarity`."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def quoted(name: str) -> str:
    """A table or column name in SQL; in quotes, also a word of SQL can be a name."""
    return f'"{name}"'


def require_snake_case(name: str, what: str) -> None:
    """Refuse a table or column name that SQL or JSON could not carry as it is.

    Raises:
        DefinitionError: the name is not `snake_case`, or longer than 63 characters.
    """
    if len(name) > MAX_NAME_LENGTH or not SNAKE_CASE.fullmatch(name):
        message = (
            f"{what} {name!r} must be snake_case: lower-case letters, digits and single "
            f"underscores, starting with a letter, at most {MAX_NAME_LENGTH} characters"
        )
        raise DefinitionError(message)


def field_names(option: str, names: Iterable[object]) -> tuple[str, ...]:
    """The names that an option lists, in order.

    Raises:
        DefinitionError: no list of texts, or one that names a field twice.
    """
    found = [name for name in names if isinstance(name, str)]
    # A text is iterable too, letter by letter.
    if isinstance(names, str) or found != list(names):
        message = f"{option} must be a list of field names, such as ['content']"
        raise DefinitionError(message)
    if len(set(found)) != len(found):
        message = f"{option} names a field twice: {', '.join(found)}"
        raise DefinitionError(message)
    return tuple(found)
