"""`make migration TABLE=name`: print the SQL that makes a table of src/schema.py."""

from __future__ import annotations

import sys

from cognate.schema.ddl import migration_of
from schema import app


def print_migration(name: str) -> int:
    """Print the SQL of the table of this name. Returns the exit status."""
    if name not in app.tables:
        known = ", ".join(app.tables)
        sys.stderr.write(
            f"Name a table of src/schema.py, as in `make migration TABLE=…`: {known}.\n"
        )
        return 1
    sys.stdout.write(migration_of(app.tables[name]))
    return 0


if __name__ == "__main__":
    sys.exit(print_migration("".join(sys.argv[1:])))
