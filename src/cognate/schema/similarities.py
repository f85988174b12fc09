"""Similarity services: what counts as duplicate, confirmation and relation in one table.

A threshold means something only for one model, one pooling and one kind of text. The defaults suit
short statements embedded by bge-base; published best cut-offs for one and the same model run from
0.58 to 0.93, so measure your own before you act on a verdict automatically.
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
"""Results of one search."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The least cosine of each class: `related <= confirms <= duplicate`."""

    duplicate: float = 0.90
    confirms: float = 0.85
    related: float = 0.75

    def __post_init__(self) -> None:
        """Check the order.

        Raises:
            DefinitionError: a threshold is no cosine, or they are out of order.
        """
        _require_cosines(related=self.related, confirms=self.confirms, duplicate=self.duplicate)


@dataclass(frozen=True, kw_only=True)
class GrayZone:
    """From `min` up to but without `max` a match is uncertain; from `max` on it is not."""

    min: float = 0.60
    max: float = 0.85

    def __post_init__(self) -> None:
        """Check the order.

        Raises:
            DefinitionError: a bound is no cosine, or `min` is above `max`.
        """
        _require_cosines(min=self.min, max=self.max)


class Similarity:
    """A search over one table, by meaning.

    Attributes:
        name: `camelCase`, as it stands in the API's paths.
        attribute: the same in `snake_case`, as Python code says it.
        table: whose records are searched.
        collection: what is embedded of that table.
        default_limit: results of a search that names no limit.
        default_threshold: the least score of a result where a search names none.
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
            DefinitionError: a bad name, a table without embeddings, a limit out of range.
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
    """Refuse bounds that are no cosines or do not rise in the order given."""
    for name, value in bounds.items():
        if not (math.isfinite(value) and -1 <= value <= 1):
            message = f"{name} must be a cosine from -1 to 1, not {value}"
            raise DefinitionError(message)
    if list(bounds.values()) != sorted(bounds.values()):
        message = f"they must rise in this order: {' <= '.join(bounds)}"
        raise DefinitionError(message)
