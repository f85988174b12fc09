"""`make cost`: write docs/cost.md again, from what was measured and from Cloudflare's prices.

`benchmarks/measured.json` holds the figures. `tests/worker/test_rows_written.py` measures its rows.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cognate.models import DEFAULT_MODEL, MODELS
from local.setup.layout import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE: Final = ROOT / "docs" / "cost.md"
FIGURES: Final = ROOT / "benchmarks" / "measured.json"
MILLION: Final = 1_000_000

ROW_WRITTEN: Final = 1.00
ROW_READ: Final = 0.001
QUEUE_OPERATION: Final = 0.40
REQUEST: Final = 0.30
QUERIED_DIMENSION: Final = 0.01
STORED_DIMENSIONS: Final = 0.05 / 100
TOKENS: Final = {
    "@cf/baai/bge-small-en-v1.5": 0.020,
    "@cf/baai/bge-base-en-v1.5": 0.067,
    "@cf/baai/bge-large-en-v1.5": 0.204,
    "@cf/baai/bge-m3": 0.012,
}
"""Dollars for a million of each, on Workers Paid beyond what is included; November 2026."""


@dataclass(frozen=True)
class CostItem:
    """One line of a bill, for a million records or searches.

    Attributes:
        units: of one record or search.
        price: dollars for a million units.
    """

    name: str
    units: float
    price: float

    @property
    def dollars(self) -> float:
        """What a million of them costs."""
        return self.units * self.price


def bill_of_records(figures: Mapping[str, Any]) -> list[CostItem]:
    """The items of a record that is created, embedded, indexed, and whose job is removed."""
    model = MODELS[DEFAULT_MODEL]
    return [
        CostItem("rows written in D1", figures["rowsWritten"]["create"], ROW_WRITTEN),
        CostItem("operations of the queue", figures["queueOperations"], QUEUE_OPERATION),
        CostItem("requests of the Worker", 1, REQUEST),
        CostItem("rows read in D1, at most", figures["rowsRead"]["create"], ROW_READ),
        CostItem("tokens of Workers AI", figures["tokens"]["record"], TOKENS[model.name]),
        CostItem("dimensions stored in Vectorize, a month", model.dimensions, STORED_DIMENSIONS),
    ]


def bill_of_searches(figures: Mapping[str, Any]) -> list[CostItem]:
    """The items of a search."""
    model = MODELS[DEFAULT_MODEL]
    return [
        CostItem("dimensions queried in Vectorize", model.dimensions, QUERIED_DIMENSION),
        CostItem("requests of the Worker", 1, REQUEST),
        CostItem("rows read in D1, at most", figures["rowsRead"]["search"], ROW_READ),
        CostItem("tokens of Workers AI", figures["tokens"]["query"], TOKENS[model.name]),
    ]


def page(figures: Mapping[str, Any]) -> str:
    """Write the page."""
    written = figures["rowsWritten"]
    tokens = figures["tokens"]
    return f"""# What it costs

A million records and a million searches, in dollars, beyond what Workers Paid includes. The rows
are measured by `tests/worker/test_rows_written.py`, which prints them by statement. `make cost`
writes this page. Prices of November 2026. A record has one chunk of {tokens["record"]} tokens, and
a query has {tokens["query"]}. The model is `{DEFAULT_MODEL}`.

## A million records

{_table(bill_of_records(figures))}

A new text of a record writes {written["update"]} rows, and its deletion {written["delete"]},
from the request until the job is removed. A change of metadata alone costs no tokens. A sweep of an
idle deployment writes nothing. A batch writes up to four rows more, whatever its size: the mutation
of each index, and how far the index is.

Where the {written["create"]} rows of a new record come from:

| rows | what |
|---:|---|
| 2 | the record, and the index of its key |
| 2 | its state row, and the index of its vector key |
| 3 | its job, and two indexes: by record, and of open jobs |
| 1 | the start of the job |
| 1 | its vectors |
| 2 | what is known of them, and the index that a search reads |
| 2 | the end of the job, and the index that finds old jobs |
| 1 | the removal of the job |

## A million searches

{_table(bill_of_searches(figures))}

CPU comes on top, at $0.02 for a million milliseconds: a millisecond of a request costs $0.02 for a
million requests. `make bench` measures it.
"""


def _table(items: Sequence[CostItem]) -> str:
    total = sum(item.dollars for item in items)
    ordered = sorted(items, key=lambda item: -item.dollars)
    lines = [f"| {item.name} | {item.units:,.0f} | {item.dollars:,.2f} |" for item in ordered]
    return "\n".join(
        ["| item | each | $ |", "|---|---:|---:|", *lines, f"| **together** | | **{total:,.2f}** |"]
    )


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(json.loads(FIGURES.read_text("utf-8"))), "utf-8")
    sys.stdout.write("docs/cost.md is up to date.\n")


if __name__ == "__main__":
    main()
