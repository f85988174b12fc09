"""The page of costs is made from the figures and the prices."""

from __future__ import annotations

import json
import re

import pytest

from cognate.models import MODELS
from local.commands.generated_cost import FIGURES, PAGE, TOKENS, CostItem, bill_of_records, page

MEASURED = json.loads(FIGURES.read_text("utf-8"))


def test_the_page_is_up_to_date() -> None:
    """`make cost` writes it."""
    assert page(MEASURED) == PAGE.read_text("utf-8"), "run `make cost`"


def test_every_model_has_a_price() -> None:
    """A new model needs one."""
    assert TOKENS.keys() == MODELS.keys()


def test_the_rows_of_the_table_add_up_to_the_measured_ones() -> None:
    """The page says where each row comes from."""
    table = page(MEASURED).partition("| rows | what |")[2].partition("##")[0]
    rows = [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]

    assert sum(rows) == MEASURED["rowsWritten"]["create"]


def test_an_item_is_units_times_price() -> None:
    """For a million of them."""
    assert CostItem("rows", 14, 1.0).dollars == pytest.approx(14)
    assert bill_of_records(MEASURED)[0].dollars == MEASURED["rowsWritten"]["create"]
