"""The services as Python objects, bound to one organization."""

from __future__ import annotations

import asyncio

import pytest

from cognate.classification import Classification
from cognate.embeddings import OrganizationEmbeddings
from cognate.principal import OrganizationId
from tests.unit.core.stage import ACME, GLOBEX, SCHEMA, Stage


def test_a_service_is_an_attribute() -> None:
    """In snake_case, within one organization, with metadata as keywords."""

    async def story() -> None:
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

    asyncio.run(story())


def test_an_unknown_service_lists_those_there_are() -> None:
    """The message mends the mistake."""
    bound = OrganizationEmbeddings(SCHEMA, Stage().platform, ACME)
    with pytest.raises(AttributeError, match="the services are: claim_similarity"):
        _ = bound.claims


def test_nobodys_organization_is_refused() -> None:
    """An empty id would find what belongs to no one."""
    with pytest.raises(ValueError, match="needs an organization"):
        OrganizationEmbeddings(SCHEMA, Stage().platform, OrganizationId(""))
