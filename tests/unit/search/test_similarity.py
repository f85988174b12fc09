"""Similarity services: classification, verdicts that are never guessed, gray zones and limits."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cognate.errors import EmbedderBusy, EmbedderError, InvalidInput, UnusableEmbeddings
from cognate.schema import Thresholds
from cognate.search import embed, find_with_gray_zone, search
from cognate.search.similarity import Classification, classify
from tests.stage.platform import ACME, GLOBEX, Stage, claim_similarity, long_text

TEXTS = {
    "same": "one two three four five six seven eight",
    "near": "one two three four five six seven nine",
    "far": "completely other words about something else",
}


async def filled() -> Stage:
    """Three claims of one organization."""
    stage = Stage()
    await stage.write_many(ACME, TEXTS)
    await stage.drain()
    return stage


async def test_the_verdict_is_that_of_the_best_match() -> None:
    """The limit and the threshold shorten the list and do not change the verdict."""
    stage = await filled()
    found = await search(stage.platform, ACME, claim_similarity, text=TEXTS["same"])
    assert found.verdict is Classification.DUPLICATE
    assert [(item.id, item.classification) for item in found.results] == [
        ("same", Classification.DUPLICATE),
        ("near", Classification.DUPLICATE),
    ]
    for narrowed in ({"limit": 1}, {"threshold": 1.0}):
        less = await search(
            stage.platform,
            ACME,
            claim_similarity,
            text=TEXTS["near"],
            **narrowed,
        )
        assert less.verdict is Classification.DUPLICATE
    every = await search(stage.platform, ACME, claim_similarity, text=TEXTS["same"], threshold=-1)
    assert [item.id for item in every.results] == ["same", "near", "far"]


async def test_nothing_near_is_new() -> None:
    """Records of another organization do not count."""
    stage = await filled()
    for organization_id, text in ((ACME, "unheard of"), (GLOBEX, TEXTS["same"])):
        found = await search(stage.platform, organization_id, claim_similarity, text=text)
        assert (found.verdict, found.results) == (Classification.NEW, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [(TEXTS["same"], Classification.DUPLICATE), (TEXTS["far"], Classification.DUPLICATE)],
)
async def test_a_degraded_search_says_only_what_cannot_change(
    text: str, expected: Classification
) -> None:
    """A duplicate that was seen stays one; any lower class is not certain."""
    stage = await filled()
    stage.fault("query")
    found = await search(stage.platform, ACME, claim_similarity, text=text)
    assert (found.verdict, found.degraded) == (expected, "VECTORIZE_UNAVAILABLE")
    stage.fault("query")
    found = await search(stage.platform, ACME, claim_similarity, text="unheard of")
    assert (found.verdict, found.results) == (None, [])
    await stage.show()
    stage.fault("query")
    found = await search(stage.platform, ACME, claim_similarity, text=text)
    assert (found.verdict, found.results) == (None, [])


async def test_a_gray_zone_has_its_lower_bound_and_not_its_upper() -> None:
    """From the upper bound on, a match is certain."""
    stage = await filled()
    exact = await search(stage.platform, ACME, claim_similarity, text=TEXTS["same"], threshold=-1)
    score = {item.id: item.score for item in exact.results}
    for bounds, certain, uncertain in (
        ({"min": score["far"], "max": score["near"]}, ["same", "near"], ["far"]),
        ({"min": score["near"], "max": score["same"]}, ["same"], ["near"]),
        ({}, ["same", "near"], []),
    ):
        found = await find_with_gray_zone(
            stage.platform,
            ACME,
            claim_similarity,
            text=TEXTS["same"],
            **bounds,  # type: ignore[arg-type]  # bounds only
        )
        high = [item.id for item in found.high_confidence]
        assert (high, [item.id for item in found.gray_zone]) == (certain, uncertain)


@pytest.mark.parametrize(
    ("bounds", "pointer"), [({"min": 0.9}, "/min"), ({"min": 0.5, "max": 0.4}, "/max")]
)
async def test_bounds_that_cross_are_refused(bounds: dict[str, Any], pointer: str) -> None:
    """Nothing is embedded, and the pointer is at the bound that was given."""
    stage = Stage()
    with pytest.raises(InvalidInput) as caught:
        await find_with_gray_zone(stage.platform, ACME, claim_similarity, text="a", **bounds)
    assert [error.pointer for error in caught.value.fields] == [pointer]
    assert stage.calls("AI.run") == 0


@pytest.mark.parametrize("filter", [{"unknown": 1}, {"organizationId": ACME}, {"storyId": None}])
async def test_a_filter_that_cannot_be_is_refused(filter: dict[str, Any]) -> None:  # noqa: A002
    """Nothing is embedded."""
    stage = Stage()
    with pytest.raises(InvalidInput):
        await search(stage.platform, ACME, claim_similarity, text="a", filter=filter)
    assert stage.calls("AI.run") == 0


@pytest.mark.parametrize("limit", [0, 51])
async def test_a_limit_out_of_range_is_refused(limit: int) -> None:
    """A call from Python is checked as a request is."""
    stage = Stage()
    with pytest.raises(InvalidInput, match="/limit: must be from 1 to 50"):
        await search(stage.platform, ACME, claim_similarity, text="a", limit=limit)
    assert stage.calls("AI.run") == 0


@pytest.mark.parametrize("text", ["", " \n"])
async def test_a_blank_text_is_refused(text: str) -> None:
    """A blank text cannot be the query."""
    with pytest.raises(InvalidInput):
        await search(Stage().platform, ACME, claim_similarity, text=text)


async def test_of_a_long_text_the_first_chunk_is_looked_for() -> None:
    """The text is cut before the model would cut it inside a word."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(2))
    await stage.drain()
    found = await search(stage.platform, ACME, claim_similarity, text=long_text(2))
    assert found.results[0].score == pytest.approx(1)
    assert found.results[0].chunk[0] == 0


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("error", "3040: out of capacity", EmbedderBusy),
        ("error", "anything", EmbedderError),
        ("empty", "", UnusableEmbeddings),
    ],
)
async def test_a_model_that_fails_is_an_error(
    kind: Any,
    message: str,
    expected: type[EmbedderError],
) -> None:
    """A search whose query cannot be embedded never answers NEW."""
    stage = Stage()
    stage.fault("run", kind, message)
    with pytest.raises(expected):
        await search(stage.platform, ACME, claim_similarity, text="a text")


async def test_a_vector_has_the_models_dimension() -> None:
    """A vector is a list of plain numbers."""
    vector = await embed(Stage().platform, claim_similarity, "a text")
    assert (len(vector), {type(number) for number in vector}) == (768, {float})


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (1.0, "DUPLICATE"),
        (0.90, "DUPLICATE"),
        (math.nextafter(0.90, 0), "CONFIRMS"),
        (0.85, "CONFIRMS"),
        (math.nextafter(0.85, 0), "RELATED"),
        (0.75, "RELATED"),
        (math.nextafter(0.75, 0), "NEW"),
        (-1.0, "NEW"),
    ],
)
def test_classes_by_the_default_thresholds(score: float, expected: str) -> None:
    """Each threshold belongs to its class, and the nearest number below it does not."""
    assert classify(score, Thresholds()) == expected


def test_equal_thresholds_leave_the_higher_class() -> None:
    """A service may leave out a class."""
    thresholds = Thresholds(duplicate=0.8, confirms=0.8, related=0.8)
    assert [classify(score, thresholds) for score in (0.8, 0.79)] == ["DUPLICATE", "NEW"]
