"""Similarity services: the rules for their thresholds, names and limits."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cognate.errors import DefinitionError
from cognate.schema import GrayZone, Similarity, Table, Thresholds
from cognate.schema.similarities import MAX_LIMIT
from tests.demonstration import Claim
from tests.stage.platform import claims


def test_the_defaults_are_those_of_short_statements() -> None:
    """The defaults are those that the documentation states."""
    service = Similarity("claimSimilarity", claims)
    assert service.thresholds == Thresholds(duplicate=0.90, confirms=0.85, related=0.75)
    assert service.gray_zone == GrayZone(min=0.60, max=0.85)
    assert (service.default_limit, service.default_threshold) == (10, 0.70)
    assert service.attribute == "claim_similarity"


@pytest.mark.parametrize(
    "bounds",
    [
        {"duplicate": 0.8},
        {"confirms": 0.95},
        {"related": 0.86},
        {"duplicate": 1.01},
        {"related": -1.01},
        {"related": math.nan},
    ],
)
def test_thresholds_rise_and_are_cosines(bounds: dict[str, float]) -> None:
    """With thresholds out of order, no score could reach one of the classes."""
    with pytest.raises(DefinitionError):
        Thresholds(**bounds)


@pytest.mark.parametrize("bounds", [{"min": 0.9}, {"max": 2.0}, {"max": math.inf}])
def test_a_gray_zone_is_in_order(bounds: dict[str, float]) -> None:
    """The lower bound may not be above the upper bound."""
    with pytest.raises(DefinitionError):
        GrayZone(**bounds)


@pytest.mark.parametrize(
    "options",
    [
        {"name": "claim_similarity"},
        {"name": "ClaimSimilarity"},
        {"name": ""},
        {"table": Table("plain", Claim)},
        {"default_limit": 0},
        {"default_limit": MAX_LIMIT + 1},
        {"default_threshold": 1.1},
    ],
    ids=str,
)
def test_a_service_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    """The error is raised when the service is made, and says what to change."""
    with pytest.raises(DefinitionError):
        Similarity(**{"name": "claimSimilarity", "table": claims, **options})


def test_the_bounds_themselves_are_allowed() -> None:
    """Equal thresholds and the largest limit are allowed."""
    assert Thresholds(duplicate=0.8, confirms=0.8, related=0.8).related == 0.8
    assert Similarity("a", claims, default_limit=MAX_LIMIT).default_limit == 50
