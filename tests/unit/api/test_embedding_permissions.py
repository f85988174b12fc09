"""The permission checks of the embedding routes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cognate.api.embedding_permissions import (
    collection_for,
    permit,
    permit_job,
    readable_collections,
    refusals_of_texts,
)
from cognate.api.http import Request
from cognate.api.routing import Call
from cognate.errors import AccessDenied, CognateError, NotFound
from cognate.ports import Statement
from cognate.principal import OrganizationId, Principal
from cognate.schema import Access, Cognate, Embeddings, Owner, Record, Table
from local.adapters.local_platform import local_platform

ACME = OrganizationId("org_acme")


class Claim(Record):
    """The table `claims` of the migrations."""

    content: str
    story_id: str | None = None


class Note(Record):
    """A table without embeddings."""

    title: str


claims = Table(
    "claims",
    Claim,
    embeddings=Embeddings(fields=["content"]),
    access=Access(update="admin+"),
    # A field of the claim has the id of its owner.
    owner=Owner("story_id", only=["update"], unless="owner"),
)
notes = Table("notes", Note, access=Access(read="editor"))
APP = Cognate(tables=[claims, notes])


def call(role: str, user_id: str = "ada") -> Call:
    """Makes a call of a member with this role."""
    caller = Principal(user_id, ACME, frozenset({role}))
    return Call(APP, local_platform(APP), Request.of("POST", "https://example.com/"), {}, caller)


async def refused(function: Any, *arguments: Any) -> type[CognateError] | None:
    """Returns the class of the error that a check raises."""
    try:
        result = function(*arguments)
        if asyncio.iscoroutine(result):
            await result
    except CognateError as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("role", "table", "operation", "expected"),
    [
        ("member", "claims", "read", None),
        ("member", "claims", "update", AccessDenied),
        ("admin", "claims", "update", None),
        # All tables with embeddings, so not `notes`.
        ("member", None, "read", None),
        ("member", None, "update", AccessDenied),
        ("member", "notes", "read", AccessDenied),
        ("member", "nothing", "read", NotFound),
    ],
)
async def test_a_table_is_open_to_its_roles(
    role: str, table: str | None, operation: str, expected: type[CognateError] | None
) -> None:
    """The access of the table decides."""
    assert await refused(permit, call(role), table, operation) is expected


async def test_a_job_of_no_table_is_the_organizations() -> None:
    """Any member may act on a job without a table, or of a table that left the schema."""
    assert await refused(permit_job, call("member"), None, "update") is None
    assert await refused(permit_job, call("member"), "gone", "update") is None
    assert await refused(permit_job, call("member"), "claims", "update") is AccessDenied


async def test_a_text_is_posted_for_ones_own_record_only() -> None:
    """An owner rule refuses other members, and a missing record is not found."""
    places = [("claims", "c1"), ("claims", "c2"), ("nothing", "c1"), (None, None)]
    for name, own in (("ada", type(None)), ("bob", AccessDenied)):
        one = call("admin", name)
        insert = Statement(
            "INSERT INTO claims (organization_id, id, content, story_id) VALUES (?1, ?2, ?3, ?4)",
            (ACME, "c1", "a text", "ada"),
        )
        await one.platform.database.batch([insert])

        found = await refusals_of_texts(one, places)

        assert [own, NotFound, NotFound, type(None)] == [type(item) for item in found]


async def test_what_is_embedded_of_a_table() -> None:
    """A table without embeddings is not found."""
    assert collection_for(call("member"), "claims", "read").scope == "claims"
    assert await refused(collection_for, call("editor"), "notes", "read") is NotFound
    assert [item.scope for item in readable_collections(call("member"))] == ["claims"]
    assert readable_collections(call("stranger")) == []
