"""The fields that a caller may set."""

from __future__ import annotations

from typing import Any

import pytest

from cognate.errors import DefinitionError
from cognate.schema import Guards, Record, Table


class Thing(Record):
    """A record with a required field and an optional one."""

    name: str
    score: int = 0


def test_all_fields_may_be_set_unless_guards_say_otherwise() -> None:
    """Each operation has its own list, and no list allows a field of `never`."""
    assert Guards().allows("create", "anything")
    guards = Guards(create=["name"], update=[], never=["score"])
    found = [
        (operation, field)
        for operation in ("create", "update")
        for field in ("name", "score")
        if guards.allows(operation, field)
    ]
    assert found == [("create", "name")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"create": ["nothing"]}, "guards name 'nothing', which is no field of Thing; it has name"),
        ({"never": ["nothing"]}, "guards name 'nothing'"),
        ({"never": ["name"]}, "'name' is required, but the guards let nobody set it"),
        ({"create": ["score"]}, "'name' is required"),
        ({"create": ["name", "score"], "never": ["score"]}, "both create and never"),
        ({"update": "name"}, "must be a list of field names"),
        ({"update": ["name", "name"]}, "names a field twice"),
        ({"never": [5]}, "must be a list of field names"),
    ],
)
def test_guards_that_contradict_the_record_are_refused(
    options: dict[str, Any], message: str
) -> None:
    """The error is raised when the table is made."""
    with pytest.raises(DefinitionError, match=message):
        Table("things", Thing, guards=Guards(**options))
