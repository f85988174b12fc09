"""The local D1: the SQLite file of a database, and its migrations.

Miniflare keeps each database in a Durable Object. The hash of the database's id names its file.
wrangler takes the name of the binding as the id of a database without `database_id`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.failures import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_CLASS: Final = "miniflare-D1DatabaseObject"


def d1_file(state: Path, environment: Mapping[str, Any], binding: str) -> Path | None:
    """The SQLite file of a binding, which need not exist yet.

    Args:
        state: the folder that `wrangler dev --persist-to` names.
        environment: an environment of `wrangler.toml`, such as `[env.local]`.
        binding: the name of the D1 binding.

    Returns:
        None where the environment has no such binding.
    """
    for database in environment.get("d1_databases", []):
        if database["binding"] == binding:
            named = database.get("preview_database_id") or database.get("database_id")
            return state / "v3" / "d1" / _CLASS / f"{_object_id(named or binding)}.sqlite"
    return None


def _object_id(name: str) -> str:
    """The id of the Durable Object of this name, as Miniflare derives it."""
    key = hashlib.sha256(_CLASS.encode()).digest()
    start = hmac.digest(key, name.encode(), "sha256")[:16]
    return (start + hmac.digest(key, start, "sha256")[:16]).hex()


@dataclass(frozen=True)
class LocalMigrations:
    """The migrations of a checkout, and a record of those that the local database has.

    wrangler keeps its own record, but asking it takes seconds.

    Attributes:
        folder: the folder with the `.sql` files.
        record: a JSON file with the hash of each applied migration.
        log: what wrangler printed at the last run.
    """

    folder: Path
    record: Path
    log: Path

    def apply(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        """Run `command`, which applies the migrations, if the database lacks one.

        Raises:
            StartError: a migration failed, or an applied one was changed afterwards.
        """
        migrations = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.glob("*.sql"))
        }
        applied = json.loads(self.record.read_text("utf-8")) if self.record.is_file() else {}
        for name, digest in migrations.items():
            if applied.get(name, digest) != digest:
                message = (
                    f"migrations/{name} was changed after it had been applied: put the change into "
                    "a new migration, or run `make clean` for a new database."
                )
                raise StartError(message)
        if applied == migrations:
            return
        with self.log.open("wb") as output:
            status = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=cwd,
                check=False,
            ).returncode
        if status != 0:
            message = f"A migration failed; {self.log} says which and why."
            raise StartError(message)
        self.record.write_text(json.dumps(migrations, indent=2), "utf-8")
