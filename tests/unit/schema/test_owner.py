"""Records that belong to the users who created them."""

from __future__ import annotations

from typing import Any

import pytest

from cognate.errors import DefinitionError
from cognate.schema import Embeddings, Guards, Owner, Record, Table


class Thing(Record):
    """A record with a field for its owner."""

    name: str = ""
    size: int = 0
    created_by: str | None = None


def test_the_rule_holds_for_some_operations_and_not_for_some_roles() -> None:
    """By default it is about updates and deletions, and not about admins."""
    owner = Owner("created_by")

    assert owner.applies("update", {"member"})
    assert owner.applies("delete", set())
    assert not owner.applies("read", {"member"})
    assert not owner.applies("update", {"member", "admin"})
    assert Owner("created_by", only=["read"], unless="owner").applies("read", {"admin"})
    assert Owner("created_by", unless=[]).applies("update", {"owner"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["create"]}, "one or more of read, update, delete, not 'create'"),
        ({"only": []}, "one or more of read, update, delete"),
        ({"only": "read"}, "must be a list"),
        ({"unless": "editor+"}, "only member, admin, owner have an order"),
        ({"field": "createdBy"}, "snake_case"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    """The error is raised before a table is made."""
    with pytest.raises(DefinitionError, match=message):
        Owner(**{"field": "created_by", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"owner": Owner("nobody")}, r"such as `nobody: str \| None = None`"),
        ({"owner": Owner("size")}, "must name a text field"),
        (
            {"owner": Owner("created_by"), "guards": Guards(create=["created_by"])},
            "set by the server",
        ),
        (
            {
                "owner": Owner("created_by"),
                "guards": Guards(create=["name"], update=["created_by"]),
            },
            "set by the server",
        ),
        (
            {
                "owner": Owner("created_by", only=["read"]),
                "embeddings": Embeddings(fields=["name"]),
            },
            "cannot have embeddings, because a search looks at those of the whole organization",
        ),
    ],
)
def test_a_rule_that_does_not_fit_its_table_is_refused(
    options: dict[str, Any], message: str
) -> None:
    """The message says what to change."""
    with pytest.raises(DefinitionError, match=message):
        Table("things", Thing, **options)


def test_a_required_owner_is_set_by_the_server() -> None:
    """The guards need not allow callers to set it."""

    class Owned(Record):
        """A record whose owner is required."""

        created_by: str

    table = Table("owned", Owned, owner=Owner("created_by"), guards=Guards(never=["created_by"]))
    assert "created_by" in table.guarded["create"]
