"""Permissions by role, and by the owner of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.errors import AccessDenied, NotFound
from cognate.records import Create, Delete, Update
from cognate.records.permissions import refusals_to_embed
from cognate.schema import Access, Owner, Table
from tests.stage.records import ADA, BOB, Note, claims, notes, person, posts
from tests.stage.records import RecordsStage as Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable

ROLES = ("owner", "admin", "member", "editor", "viewer", "")


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_what_the_table_says(stage: Stage, role: str) -> None:
    """Each role can read, create, update and delete exactly as the table allows."""
    await stage.create(posts, "p1", title="x")
    caller = person(role, name="eve")
    member = role in {"owner", "admin", "member"}
    admin = role in {"owner", "admin"}

    assert await _may(stage.get(posts, "p1", by=caller)) == member
    assert await _may(stage.page(posts, by=caller)) == member
    codes = [
        (await stage.codes(posts, operation, by=caller))[0]
        for operation in (Create({"title": "x"}, "p2"), Update("p1", {"title": "y"}), Delete("p1"))
    ]
    assert codes == [
        "record" if admin or role == "editor" else "ACCESS_DENIED",
        "record" if admin else "ACCESS_DENIED",
        "deleted" if admin else "ACCESS_DENIED",
    ]


async def _may(call: Awaitable[object]) -> bool:
    try:
        await call
    except AccessDenied:
        return False
    return True


async def test_several_roles_may_what_each_may(stage: Stage) -> None:
    """A caller with two roles has the permissions of both."""
    caller = person("member", "editor", name="eve")

    assert await stage.codes(posts, Create({"title": "x"}, "p1"), by=caller) == ["record"]
    assert await stage.codes(posts, Update("p1", {"title": "y"}), by=caller) == ["record"]


async def test_access_is_refused_before_anything_else_is_said(stage: Stage) -> None:
    """A refusal by role tells nothing about the record or the fields, and queues nothing."""
    caller = person("viewer")

    for operation in (Create({"nothing": 1}), Update("missing", {"score": 1}), Delete("missing")):
        assert await stage.codes(posts, operation, by=caller) == ["ACCESS_DENIED"]
    assert stage.jobs() == []


async def test_what_only_its_owner_may_change_others_may_read(stage: Stage) -> None:
    """A caller who is exempt may change the record, and its owner stays."""
    await stage.create(posts, "p1", by=person("editor", "member", name="eve"), title="x")
    other = person("member", name="mallory")

    assert (await stage.get(posts, "p1", by=other)).json["createdBy"] == "eve"
    assert await stage.codes(posts, Update("p1", {"title": "y"}), by=other) == ["ACCESS_DENIED"]
    eve = person("member", name="eve")
    assert await stage.codes(posts, Update("p1", {"title": "y"}), by=eve) == ["record"]
    assert (await stage.update(posts, "p1", by=person("admin"), title="z")).json[
        "createdBy"
    ] == "eve"


async def test_what_only_its_owner_may_read_is_not_there_for_others(stage: Stage) -> None:
    """Others find it neither by id nor in a list nor in the total; admins do."""
    eve, mallory = person("member", name="eve"), person("member", name="mallory")
    await stage.create(notes, "n1", by=eve, text="hers")
    await stage.create(notes, "n2", by=mallory, text="his")

    assert await stage.ids(notes, by=eve) == ["n1"]
    assert (await stage.page(notes, by=eve, total="true")).total == 1
    assert await stage.ids(notes, by=person("admin")) == ["n1", "n2"]
    with pytest.raises(NotFound):
        await stage.get(notes, "n1", by=mallory)
    for operation in (Update("n1", {"text": "x"}), Delete("n1")):
        assert await stage.codes(notes, operation, by=mallory) == ["RECORD_NOT_FOUND"]
    # The same user in another organization owns nothing here.
    assert await stage.ids(notes, by=BOB) == []


def test_a_search_needs_what_reading_needs() -> None:
    """A caller who may not read may not search."""
    table = Table("things", Note, access=Access(read="admin+"))

    table.access.require("read", person("admin"), table.name)
    with pytest.raises(AccessDenied):
        table.access.require("read", person("member"), table.name)


@pytest.mark.parametrize(
    ("record_id", "name", "roles", "code"),
    [
        ("p1", "eve", ["member"], None),
        ("p1", "ada", ["admin"], None),
        ("p1", "mallory", ["member"], "ACCESS_DENIED"),
        ("p1", "eve", ["viewer"], "ACCESS_DENIED"),
        ("p2", "eve", ["member"], "RECORD_NOT_FOUND"),
        ("gone", "eve", ["member"], "RECORD_NOT_FOUND"),
    ],
)
async def test_a_text_for_a_record_needs_what_changing_it_needs(
    stage: Stage, record_id: str, name: str, roles: list[str], code: str | None
) -> None:
    """Posting a text for a record takes the role and, if the table says so, the ownership."""
    await stage.create(posts, "p1", by=person("editor", name="eve"), title="x")
    await stage.create(
        posts, "p2", by=person("owner", name="eve", organization=BOB.organization_id), title="x"
    )
    await stage.create(posts, "gone", by=person("editor", name="eve"), title="x")
    await stage.codes(posts, Delete("gone"))
    caller = person(*roles, name=name)

    [found] = await refusals_to_embed(stage.platform, caller, [(posts, record_id)])

    assert code == (None if found is None else found.code)


async def test_a_hundred_texts_for_owned_records_cost_one_read(stage: Stage) -> None:
    """One D1 call judges records of several tables as each would be judged alone."""
    eve, member = person("editor", name="eve"), person("member", name="eve")
    for number in range(40):
        await stage.create(posts, f"p{number}", by=eve, title="x")
        await stage.create(notes, f"n{number}", by=member if number % 2 else ADA)
    wanted = [(posts, f"p{number}") for number in range(50)]
    wanted += [(notes, f"n{number}") for number in range(40)]
    wanted += [(claims, f"c{number}") for number in range(10)]
    stage.database.batches.clear()

    found = await refusals_to_embed(stage.platform, member, wanted)

    assert 1 == len(stage.database.batches)
    codes = [None if item is None else item.code for item in found]
    assert [None] * 40 + ["RECORD_NOT_FOUND"] * 10 == codes[:50]
    # A caller who may not read a note is told that it does not exist.
    assert ["RECORD_NOT_FOUND", None] * 20 == codes[50:90]
    assert [None] * 10 == codes[90:]
    for place in (0, 45, 50, 51, 95):
        [alone] = await refusals_to_embed(stage.platform, member, [wanted[place]])
        assert codes[place] == (None if alone is None else alone.code)


async def test_without_an_owner_rule_nothing_is_read(stage: Stage) -> None:
    """The roles alone decide."""
    await refusals_to_embed(stage.platform, person("member"), [(claims, "c1")])

    assert stage.database.batches == []
    assert Owner("author").applies("update", {"member"})
