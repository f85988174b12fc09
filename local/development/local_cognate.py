"""Cognate on this machine: the local Worker, with signed-in organizations and checked tables."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from cognate.errors import ConfigurationError
from cognate.settings import AUTH_NAMING, Settings
from local.demo.organizations import DEMO_ORGANIZATIONS, seed
from local.development.lost_messages import are_due, make_due
from local.development.missing_tables import missing_tables
from local.development.schema_summary import SCHEMA_CHECK, SchemaSummary
from local.failures import StartError
from local.running.local_worker import LocalWorker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from local.demo.organizations import DemoOrganization
    from local.running.local_worker import LocalConfig
    from local.setup.layout import Layout


class LocalCognate(LocalWorker[SchemaSummary]):
    """A local Worker that is Cognate."""

    def __init__(
        self,
        config: LocalConfig,
        layout: Layout | None = None,
        organizations: Sequence[DemoOrganization] = DEMO_ORGANIZATIONS,
    ) -> None:
        """Make a Worker in which `organizations` are signed in from the start."""
        super().__init__(config, SCHEMA_CHECK, layout)
        self._organizations = organizations

    @property
    def auth_database(self) -> Path:
        """The SQLite file with Better Auth's tables: that of AUTH_DB if it is bound."""
        return self.database_file("AUTH_DB") or self.database

    def prepare(self) -> None:
        """Sign the organizations in: write their sessions into Better Auth's tables.

        Raises:
            StartError: the tables have other columns, or the naming of columns is not valid.
        """
        try:
            naming = Settings.read({AUTH_NAMING: self.variable(AUTH_NAMING)}).auth_naming
        except ConfigurationError as error:
            raise StartError(f"wrangler.toml: {error}.") from error
        database = self.auth_database
        database.parent.mkdir(parents=True, exist_ok=True)
        try:
            seed(database, self._organizations, naming)
        except sqlite3.Error as error:
            message = (
                f"The demonstration's sessions do not fit the tables of Better Auth in {database}: "
                f"{error}; {AUTH_NAMING} may be wrong, or `make clean` makes the tables anew."
            )
            raise StartError(message) from error

    def notices(self) -> list[str]:
        """One sentence for each table of the schema that the database lacks or lacks columns of."""
        return missing_tables(self.database, self.schema.columns, self.layout.root / "migrations")

    def requeue_lost_messages(self) -> bool:
        """Make all unfinished jobs and backfills due, so that the sweeper sends their messages."""
        return make_due(self.database)

    def has_lost_messages(self) -> bool:
        """Whether the sweeper has not yet sent all messages of `requeue_lost_messages`."""
        return are_due(self.database)
