"""Better Auth's tables for the demonstration and the tests, in either naming of their columns.

In production the application creates these tables, so no migration does.
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
    """The SQL script that creates the missing tables."""
    return in_naming(_SCRIPT.read_text("utf-8"), naming)


def in_naming(sql: str, naming: AuthNaming) -> str:
    """Convert the snake_case names of a statement to another naming."""
    if naming == "snake_case":
        return sql
    return _WORD_START.sub(lambda found: found[1].upper(), sql)
