"""`python -m local.triggers`: print the triggers that the tables of src/schema.py need."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cognate.triggers import triggers_of
from schema import app

if TYPE_CHECKING:
    from collections.abc import Iterator


def statements() -> Iterator[str]:
    """The SQL of each trigger, for a migration."""
    for table in app.tables.values():
        for sql in triggers_of(table).values():
            yield f"{sql};"


if __name__ == "__main__":
    sys.stdout.write("\n\n".join(statements()) + "\n")
