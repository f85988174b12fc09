"""Better Auth's tables for the demonstration and the tests, in both namings of its columns.

Production reads the tables that the application has made, so no migration makes them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from local.setup.layout import ROOT

if TYPE_CHECKING:
    from cognate.settings import AuthNaming

_SCRIPT: Final = ROOT / "local" / "demo" / "better_auth.sql"
_WORD_START: Final = re.compile(r"(?<=[a-z])_([a-z])")


def auth_tables(naming: AuthNaming = "snake_case") -> str:
    """The script that makes the tables where they are missing."""
    return in_naming(_SCRIPT.read_text("utf-8"), naming)


def in_naming(sql: str, naming: AuthNaming) -> str:
    """A statement over these tables, written with snake_case names, in another naming."""
    if naming == "snake_case":
        return sql
    return _WORD_START.sub(lambda found: found[1].upper(), sql)
