"""The triggers that are printed are those of the migrations."""

from __future__ import annotations

from local.layout import ROOT
from local.triggers import statements


def test_the_sample_migration_has_what_is_printed() -> None:
    """Word for word: a user copies it."""
    migration = (ROOT / "migrations" / "0003_create_sample_tables.sql").read_text("utf-8")
    assert migration.endswith("\n\n".join(statements()) + "\n")
