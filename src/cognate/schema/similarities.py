"""Similarity services: the thresholds of a search over one table.

A threshold is valid only for one model, one pooling and one kind of text. The defaults suit short
statements that bge-base embeds. The best thresholds published for one and the same model lie
between 0.58 and 0.93, so measure your own before you act on a verdict automatically.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate.errors import DefinitionError
from cognate.schema.names import CAMEL_CASE, snake_case

if TYPE_CHECKING:
    from cognate.schema.tables import Table

MAX_LIMIT: Final = 50
"""The most results of one search."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The lowest cosine of each class, in the order `related <= confirms <= duplicate`."""

    duplicate: float = 0.90
    confirms: float = 0.85
    related: float = 0.75

    def __post_init__(self) -> None:
        """Check the order.

        Raises:
            DefinitionError: a threshold is not a cosine, or they are not in order.
        """
        _require_cosines(related=self.related, confirms=self.confirms, duplicate=self.duplicate)


@dataclass(frozen=True, kw_only=True)
class GrayZone:
    """The scores of uncertain matches: at least `min` and below `max`."""

    min: float = 0.60
    max: float = 0.85

    def __post_init__(self) -> None:
        """Check the order.

        Raises:
            DefinitionError: a bound is not a cosine, or `min` is above `max`.
        """
        _require_cosines(min=self.min, max=self.max)


class Similarity:
    """A search service over one table.

    Attributes:
        name: in `camelCase`, for the API's paths.
        attribute: the name in `snake_case`, for Python code.
        table: the table that is searched.
        collection: the collection of this table.
        thresholds: the lowest cosine of each class.
        gray_zone: the scores of uncertain matches.
        default_limit: the most results of a search without a limit.
        default_threshold: the lowest score of a result of a search without a threshold.
    """

    def __init__(  # noqa: PLR0913 - the options of a definition, all but two with a default
        self,
        name: str,
        table: Table,
        *,
        thresholds: Thresholds | None = None,
        gray_zone: GrayZone | None = None,
        default_limit: int = 10,
        default_threshold: float = 0.70,
    ) -> None:
        """Check the definition.

        Raises:
            DefinitionError: the name is not `camelCase`, the table has no embeddings, or a default
                is out of range.
        """
        if not CAMEL_CASE.fullmatch(name):
            message = f"the similarity {name!r} must be camelCase, such as 'claimSimilarity'"
            raise DefinitionError(message)
        if table.collection is None:
            message = f"the similarity {name!r} needs a table with embeddings=Embeddings(...)"
            raise DefinitionError(message)
        if not 1 <= default_limit <= MAX_LIMIT:
            message = f"the similarity {name!r}: default_limit must be from 1 to {MAX_LIMIT}"
            raise DefinitionError(message)
        _require_cosines(default_threshold=default_threshold)
        self.name = name
        self.attribute = snake_case(name)
        self.table = table
        self.collection = table.collection
        self.thresholds = thresholds or Thresholds()
        self.gray_zone = gray_zone or GrayZone()
        self.default_limit = default_limit
        self.default_threshold = default_threshold


def _require_cosines(**bounds: float) -> None:
    """Check that bounds are cosines and rise in the given order."""
    for name, value in bounds.items():
        if not (math.isfinite(value) and -1 <= value <= 1):
            message = f"{name} must be a cosine from -1 to 1, not {value}"
            raise DefinitionError(message)
    if list(bounds.values()) != sorted(bounds.values()):
        message = f"they must rise in this order: {' <= '.join(bounds)}"
        raise DefinitionError(message)
