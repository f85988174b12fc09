"""The similarity services as Python objects, bound to one organization."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from cognate.errors import InvalidInput
from cognate.principal import OrganizationId
from cognate.schema import Cognate
from cognate.search.services import OrganizationEmbeddings
from cognate.search.similarity import Classification
from tests.stage.platform import ACME, GLOBEX, SCHEMA, Stage


async def test_a_service_is_an_attribute() -> None:
    """A service is an attribute in snake_case and takes metadata as keywords."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour", "s1")
    await stage.write(GLOBEX, "r2", "a red harbour", "s1")
    await stage.drain()
    service = OrganizationEmbeddings(SCHEMA, stage.platform, ACME).claim_similarity
    found = await service.search("a red harbour", story_id="s1", limit=5, threshold=0.7)
    assert (found.verdict, [item.id for item in found.results]) == (
        Classification.DUPLICATE,
        ["r1"],
    )
    other = await service.search("a red harbour", story_id="s2")
    assert (other.verdict, other.results) == (Classification.NEW, [])
    zone = await service.find_with_gray_zone("a red harbour", min=0.6, max=0.85)
    assert ([item.id for item in zone.high_confidence], zone.gray_zone) == (["r1"], [])
    assert len(await service.embed("a red harbour")) == 768


async def test_an_answer_is_the_sequence_of_its_results() -> None:
    """An answer can be iterated, counted, indexed and sliced."""
    stage = Stage()
    await stage.write_many(ACME, {"r1": "a red harbour", "r2": "a red harbour indeed"})
    await stage.drain()
    service = OrganizationEmbeddings(SCHEMA, stage.platform, ACME).claim_similarity
    found = await service.search("a red harbour", threshold=0)
    assert ["r1", "r2"] == [match.id for match in found]
    assert ("r1", "r2", 2) == (found[0].id, found[-1].id, len(found))
    assert (["r2"], found[1] in found) == ([match.id for match in found[1:]], True)
    assert isinstance(found, Sequence)
    assert (Classification.DUPLICATE, None) == (found.verdict, found.degraded)
    assert [] == list(await service.search("other words altogether"))


@pytest.mark.parametrize("name", ["story_id", "storyId"])
async def test_a_filter_has_the_columns_name_or_that_in_json(name: str) -> None:
    """A keyword may be the name of a column or its JSON name."""
    stage = Stage()
    for record_id, story_id in (("r1", "s1"), ("r2", "s2")):
        await stage.write(ACME, record_id, "a red harbour", story_id)
    await stage.drain()
    service = OrganizationEmbeddings(SCHEMA, stage.platform, ACME).claim_similarity
    chosen: dict[str, Any] = {name: "s2"}
    found = await service.search("a red harbour", **chosen)
    assert ["r2"] == [match.id for match in found]
    zone = await service.find_with_gray_zone("a red harbour", **chosen)
    assert ["r2"] == [match.id for match in zone.high_confidence]


async def test_a_filter_under_both_of_its_names_is_refused() -> None:
    """A field that is given under both names is an error."""
    service = OrganizationEmbeddings(SCHEMA, Stage().platform, ACME).claim_similarity
    with pytest.raises(TypeError, match="'storyId' is given twice"):
        await service.search("a text", story_id="s1", storyId="s2")


async def test_a_list_of_texts_is_a_list_of_vectors() -> None:
    """One call of the model embeds all texts, in order."""
    stage = Stage()
    service = OrganizationEmbeddings(SCHEMA, stage.platform, ACME).claim_similarity
    texts = ["a red harbour", "a blue sky"]
    vectors = await service.embed(texts)
    assert 1 == stage.calls("AI.run")
    assert [await service.embed(text) for text in texts] == vectors
    assert vectors[0] != vectors[1]
    for refused in ([], ["a text"] * 101, ["a text", " "]):
        with pytest.raises(InvalidInput):
            await service.embed(refused)


def test_services_can_be_copied_and_looked_at_before_they_are_bound() -> None:
    """`copy` and `pickle` ask an object for attributes before it has any."""
    bound = OrganizationEmbeddings(SCHEMA, Stage().platform, ACME)
    copied = copy.copy(bound)
    assert copied.claim_similarity is bound.claim_similarity
    unbound = OrganizationEmbeddings.__new__(OrganizationEmbeddings)
    assert not hasattr(unbound, "claim_similarity")
    nothing = OrganizationEmbeddings(Cognate(tables=[]), Stage().platform, ACME)
    for another in (copy.deepcopy(nothing), pickle.loads(pickle.dumps(nothing))):  # noqa: S301 - its own
        assert not hasattr(another, "claim_similarity")


def test_an_unknown_service_lists_those_there_are() -> None:
    """The message lists the services of the schema."""
    bound = OrganizationEmbeddings(SCHEMA, Stage().platform, ACME)
    with pytest.raises(AttributeError, match="the services are: claim_similarity"):
        _ = bound.claims


def test_nobodys_organization_is_refused() -> None:
    """The message says why an organization is needed and where to take it from."""
    why = "needs an organization: records belong to one.*verified session"
    with pytest.raises(ValueError, match=why):
        OrganizationEmbeddings(SCHEMA, Stage().platform, OrganizationId(""))
