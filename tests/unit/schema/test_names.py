"""Names: their forms in JSON and Python, and the rules for them."""

from __future__ import annotations

import pytest

from cognate.errors import DefinitionError
from cognate.schema.names import camel_case, require_snake_case, snake_case


@pytest.mark.parametrize(
    ("snake", "camel"),
    [("id", "id"), ("story_id", "storyId"), ("a_b_c", "aBC"), ("part_2", "part2")],
)
def test_snake_case_in_json(snake: str, camel: str) -> None:
    """Each word but the first starts with a capital letter."""
    assert camel_case(snake) == camel


@pytest.mark.parametrize(
    ("camel", "snake"),
    [("claims", "claims"), ("claimSimilarity", "claim_similarity"), ("aB", "a_b")],
)
def test_camel_case_in_python(camel: str, snake: str) -> None:
    """The attribute of a service has its name in `snake_case`."""
    assert snake_case(camel) == snake


@pytest.mark.parametrize("name", ["a", "story_id", "part2", "a" * 63])
def test_a_good_name_is_taken(name: str) -> None:
    """The longest name is allowed too."""
    require_snake_case(name, "the table")


@pytest.mark.parametrize(
    "name",
    ["", "A", "storyId", "_a", "a_", "a__b", "2a", "a-b", "a b", 'a"b', "ä", "a\n", "a" * 64],
)
def test_a_bad_name_is_refused(name: str) -> None:
    """Names are written into SQL, so only safe characters are allowed."""
    with pytest.raises(DefinitionError, match=r"the table .* must be snake_case"):
        require_snake_case(name, "the table")
