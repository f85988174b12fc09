"""From a score to a word."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cognate.schema import Thresholds


class Classification(StrEnum):
    """What a text is to the record nearest to it."""

    DUPLICATE = "DUPLICATE"
    CONFIRMS = "CONFIRMS"
    RELATED = "RELATED"
    NEW = "NEW"


def classify(score: float, thresholds: Thresholds) -> Classification:
    """The class of a cosine: a threshold belongs to the class it opens."""
    if score >= thresholds.duplicate:
        return Classification.DUPLICATE
    if score >= thresholds.confirms:
        return Classification.CONFIRMS
    if score >= thresholds.related:
        return Classification.RELATED
    return Classification.NEW
