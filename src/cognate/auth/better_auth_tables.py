"""Explain why Better Auth's tables cannot be read: another database, or other column names."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cognate.errors import ConfigurationError
from cognate.ports import Statement
from cognate.settings import AUTH_DATABASE, AUTH_NAMING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognate.ports import Database
    from cognate.settings import AuthNaming

_COLUMNS_READ: Final[Mapping[AuthNaming, frozenset[str]]] = MappingProxyType(
    {
        "snake_case": frozenset(
            {
                *("session.token", "session.user_id", "session.expires_at"),
                *("session.active_organization_id", "user.id"),
                *("member.id", "member.user_id", "member.organization_id", "member.role"),
            }
        ),
        "camelCase": frozenset(
            {
                *("session.token", "session.userId", "session.expiresAt"),
                *("session.activeOrganizationId", "user.id"),
                *("member.id", "member.userId", "member.organizationId", "member.role"),
            }
        ),
    }
)
"""The columns that `cognate.auth.sessions` needs. Those of a ban are optional."""

_COLUMNS: Final = """
SELECT tables.name || '.' || columns.name AS name
FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
WHERE tables.name IN ('session', 'user', 'member')
"""


async def refuse_unusable_tables(database: Database, naming: AuthNaming) -> None:
    """Check that the database has the tables and columns that a session is read from.

    This makes one round trip, and only after a read of a session has failed.

    Raises:
        ConfigurationError: a table or column is missing. The message names it and says what to
            change.
        DatabaseError: the database failed.
    """
    [rows] = await database.batch([Statement(_COLUMNS)])
    found = {str(row["name"]) for row in rows}
    missing = sorted(_COLUMNS_READ[naming] - found)
    if not missing:
        return
    for other, columns in _COLUMNS_READ.items():
        if columns <= found:
            message = (
                f"Better Auth's columns are not named in {naming} but in {other}; "
                f'set {AUTH_NAMING} = "{other}"'
            )
            raise ConfigurationError(AUTH_NAMING, message)
    message = (
        f"Better Auth's tables are not in the bound database, which lacks {', '.join(missing)}; "
        f"bind the one that has them as {AUTH_DATABASE}, or as DB where no {AUTH_DATABASE} is bound"
    )
    raise ConfigurationError(AUTH_DATABASE, message)
