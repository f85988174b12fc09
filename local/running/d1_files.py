"""Find the SQLite file in which Miniflare keeps a local D1 database.

Miniflare keeps each database in a Durable Object, whose file is named by the hash of the database's
id. wrangler gives a database without `database_id` the name of its binding as id.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CLASS: Final = "miniflare-D1DatabaseObject"


def d1_file(state: Path, environment: Mapping[str, Any], binding: str) -> Path | None:
    """The file of a binding, whether or not it exists yet; None where nothing is bound so.

    Args:
        state: what `wrangler dev --persist-to` names.
        environment: of `wrangler.toml`, such as its `[env.local]`.
        binding: the name of the D1 binding.
    """
    for database in environment.get("d1_databases", []):
        if database["binding"] == binding:
            named = database.get("preview_database_id") or database.get("database_id")
            return state / "v3" / "d1" / _CLASS / f"{_object_id(named or binding)}.sqlite"
    return None


def _object_id(name: str) -> str:
    """The id of the Durable Object of a name, as Miniflare derives it."""
    key = hashlib.sha256(_CLASS.encode()).digest()
    start = hmac.digest(key, name.encode(), "sha256")[:16]
    return (start + hmac.digest(key, start, "sha256")[:16]).hex()
