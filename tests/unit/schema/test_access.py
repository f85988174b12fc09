"""Roles in a definition, and the permissions that they have."""

from __future__ import annotations

from typing import Any

import pytest

from cognate.errors import DefinitionError
from cognate.schema import Access
from cognate.schema.access import PERMISSIONS, expand_roles


@pytest.mark.parametrize(
    ("written", "roles"),
    [
        ("member+", {"member", "admin", "owner"}),
        ("admin+", {"admin", "owner"}),
        ("owner+", {"owner"}),
        ("admin", {"admin"}),
        ("editor", {"editor"}),
        (["editor", "admin+"], {"editor", "admin", "owner"}),
        (("member",), {"member"}),
        ([], set()),
    ],
)
def test_a_plus_means_that_role_or_a_higher_one(written: Any, roles: set[str]) -> None:
    """A plain role allows itself, a list allows each of its roles, and an empty list nobody."""
    assert expand_roles("read", written) == roles


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("editor+", "only member, admin, owner have an order"),
        ("member, admin", "several roles are a list"),
        ("", "must name roles"),
        ("+", "must name roles"),
        (" member", "must name roles"),
        ("member++", "must name roles"),
        (5, "must be a role"),
        (None, "must be a role"),
        ([5], "must be a role"),
    ],
)
def test_what_cannot_be_meant_is_refused(written: Any, message: str) -> None:
    """The message names the option and says what to write."""
    with pytest.raises(DefinitionError, match=message) as caught:
        Access(read=written)
    assert "Access(read=...)" in str(caught.value)


def test_members_may_do_everything_unless_the_table_says_otherwise() -> None:
    """A role of your own gets a permission only from the table."""
    for operation in PERMISSIONS:
        assert Access().allows(operation, {"member"})
        assert not Access().allows(operation, {"viewer"})
        assert not Access().allows(operation, set())
    assert not Access(delete="admin+").allows("delete", {"member"})
    assert Access(delete="admin+").allows("delete", {"member", "owner"})
    assert Access(delete="admin+").allows("update", {"member"})
