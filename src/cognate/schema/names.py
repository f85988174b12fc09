"""Rules for the names in a schema, and their forms in JSON and SQL."""

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
"""Parameters of lists and searches. A filter by a field of such a name could not be told from the
parameter."""


def camel_case(name: str) -> str:
    """The name in JSON: `storyId` for `story_id`."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def snake_case(name: str) -> str:
    """The name in Python: `claim_similarity` for `claimSimilarity`."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def quoted(name: str) -> str:
    """A table or column name in SQL. The quotes allow names that are keywords."""
    return f'"{name}"'


def require_snake_case(name: str, what: str) -> None:
    """Check the name of a table or a column.

    Args:
        name: the name.
        what: the thing that has it, for the message.

    Raises:
        DefinitionError: the name is not `snake_case`, or has more than 63 characters.
    """
    if len(name) > MAX_NAME_LENGTH or not SNAKE_CASE.fullmatch(name):
        message = (
            f"{what} {name!r} must be snake_case: lower-case letters, digits and single "
            f"underscores, starting with a letter, at most {MAX_NAME_LENGTH} characters"
        )
        raise DefinitionError(message)


def field_names(option: str, names: Iterable[object]) -> tuple[str, ...]:
    """Return the field names of an option, in order.

    Raises:
        DefinitionError: the option is not a list of texts, or names a field twice.
    """
    found = [name for name in names if isinstance(name, str)]
    # A single text would be a list of its letters.
    if isinstance(names, str) or found != list(names):
        message = f"{option} must be a list of field names, such as ['content']"
        raise DefinitionError(message)
    if len(set(found)) != len(found):
        message = f"{option} names a field twice: {', '.join(found)}"
        raise DefinitionError(message)
    return tuple(found)
