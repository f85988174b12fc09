"""The names that definitions may use, and how they read in JSON."""

from __future__ import annotations

import re
from typing import Final

from cognate.errors import DefinitionError

SNAKE_CASE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
CAMEL_CASE: Final = re.compile(r"[a-z][a-zA-Z0-9]*")
MAX_NAME_LENGTH: Final = 63


def camel_case(name: str) -> str:
    """`story_id` as JSON has it: `storyId`."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def snake_case(name: str) -> str:
    """`claimSimilarity` as Python has it: `claim_similarity`."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


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
