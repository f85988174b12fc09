"""A Cloudflare account as far as a deployment needs it, kept in one JSON file.

The stand-in for wrangler imports this at each of its thousand starts. So it imports little:
`dataclasses`, `pathlib` and `typing` would double what a start costs.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

MADE_ON = "2026-11-24T10:00:00.000000Z"
NO_MIGRATIONS = "no migration is new"
"""Noted by the stand-in for wrangler only: Cloudflare's API does not hear of it."""


class FakeAccount:
    """What is in the account, and what it was asked to change.

    Attributes:
        databases: from name to id.
        queues: names.
        indexes: from name to `{"dimensions", "metric", "metadata": {property: type}}`.
        secrets: of the Worker; None before its first deployment.
        migrated: whether the migrations are applied.
        refused: the beginning of a change that fails; empty where none does.
        broken: the beginning of a command that fails for another reason; empty where none does.
        changes: those that were made, in words.
        logged_in: whether a token is accepted.
        accounts: ids and names.
    """

    def __init__(self, **given: Any) -> None:
        """Make an empty account, with these attributes in place of the usual ones."""
        self.databases: dict[str, str] = {}
        self.queues: list[str] = []
        self.indexes: dict[str, Any] = {}
        self.secrets: list[str] | None = None
        self.migrated = False
        self.refused = ""
        self.broken = ""
        self.changes: list[str] = []
        self.logged_in = True
        self.accounts = [["account-id", "An account"]]
        vars(self).update(given)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> FakeAccount:
        """Read what `save` wrote."""
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - see above
            return cls(**json.load(file))

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything."""
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - see above
            json.dump(vars(self), file)

    def change(self, what: str) -> bool:
        """Note a change; whether it is allowed."""
        if self.refused and what.startswith(self.refused):
            return False
        self.changes.append(what)
        return True

    def create_database(self, name: str, place: str) -> bool:
        """Make a database."""
        allowed = self.change(f"database {name} {place}")
        if allowed:
            self.databases[name] = f"id-of-{name}"
        return allowed

    def create_queue(self, name: str) -> bool:
        """Make a queue."""
        allowed = self.change(f"queue {name}")
        if allowed:
            self.queues.append(name)
        return allowed

    def create_index(self, name: str, dimensions: int, metric: str) -> bool:
        """Make a Vectorize index."""
        allowed = self.change(f"index {name} {dimensions} {metric}")
        if allowed:
            self.indexes[name] = {"dimensions": dimensions, "metric": metric, "metadata": {}}
        return allowed

    def create_metadata_index(self, index: str, key: str, kind: str) -> bool:
        """Make a metadata index."""
        allowed = self.change(f"metadata {index} {key} {kind}")
        if allowed:
            self.indexes[index]["metadata"][key] = kind
        return allowed

    def migrate(self) -> bool:
        """Apply the migrations that are new."""
        allowed = self.change(NO_MIGRATIONS if self.migrated else "migrations")
        self.migrated = self.migrated or allowed
        return allowed

    def deploy(self, secrets: dict[str, str]) -> bool:
        """Take a Worker, with further secrets by name."""
        with_secrets = "".join(f" {name}={value}" for name, value in sorted(secrets.items()))
        allowed = self.change(f"deploy{with_secrets}")
        if allowed:
            self.secrets = sorted({*(self.secrets or []), *secrets})
        return allowed
