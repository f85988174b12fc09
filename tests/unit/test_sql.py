"""Lists as JSON parameters of bounded size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cognate import sql
from cognate.sql import json_groups

if TYPE_CHECKING:
    import pytest


def test_no_items_are_no_statement() -> None:
    """Without items there is nothing to run."""
    assert list(json_groups([])) == []


def test_items_stay_in_order_and_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array has as many items as fit, counted in bytes."""
    monkeypatch.setattr(sql, "MAX_PARAMETER_BYTES", 40)
    items = [{"n": number, "text": "é" * (number % 3)} for number in range(30)]
    groups = list(json_groups(items))
    assert [item for group in groups for item in json.loads(group)] == items
    assert max(len(group.encode()) for group in groups) <= 40


def test_an_item_that_is_too_large_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """D1 may refuse it, and the other items are not affected."""
    monkeypatch.setattr(sql, "MAX_PARAMETER_BYTES", 30)
    items = [{"a": "x"}, {"a": "y" * 100}, {"a": "z"}]
    assert [json.loads(group) for group in json_groups(items)] == [[item] for item in items]


def test_half_a_character_keeps_its_escape() -> None:
    """JSON holds half of a surrogate pair only as an escape, and UTF-8 holds none."""
    assert list(json_groups([{"a": "\ud83d"}, {"a": "é"}])) == ['[{"a":"\\ud83d"},{"a":"é"}]']
