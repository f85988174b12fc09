"""docs/search.md names the fields that searches take, and their bounds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from cognate.api.routes.similarity import GrayZoneRequest, SearchRequest
from cognate.api.routes.vectors import DEFAULT_TOP_K, MAX_TOP_K, VectorQuery
from cognate.schema import Similarity
from cognate.schema.similarities import MAX_LIMIT
from cognate.search.filters import OPERATORS
from cognate.validation import json_names
from tests.stage.records import claims

if TYPE_CHECKING:
    from cognate.api.wire import RequestModel

PAGE: Final = (Path(__file__).parents[2] / "docs" / "search.md").read_text("utf-8")


def _section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("A verdict", SearchRequest),
        ("Certain and uncertain matches", GrayZoneRequest),
        ("Vectors", VectorQuery),
    ],
)
def test_each_field_has_a_row(title: str, model: type[RequestModel]) -> None:
    """Neither one more nor one less than the request has."""
    table = _section(title).split("| field |")[1].split("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)

    assert sorted(named) == sorted(json_names(model))


def test_the_numbers_are_those_of_the_code() -> None:
    """The limits of a search and the defaults of a service that names none."""
    plain = Similarity("plain", claims)

    assert f"| results at most, 1 to {MAX_LIMIT} |" in PAGE
    assert f"`default_limit` of the service, {plain.default_limit} unless" in PAGE
    assert f"`default_threshold` of the service, {plain.default_threshold:.2f} unless" in PAGE
    assert f"| matches at most, 1 to {MAX_TOP_K} | {DEFAULT_TOP_K} |" in PAGE


def test_every_operator_is_named() -> None:
    """And no other."""
    assert set(re.findall(r"`(\$\w+)`", _section("Filters"))) == set(OPERATORS)
