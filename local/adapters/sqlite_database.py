"""SQLite as the core's database, with the rules and limits of D1.

As in D1, numbers arrive as floating point, foreign keys are enforced, and SQLite's limits are as
low as workerd sets them. Rows have the values that the JSON of D1's answers would have.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cognate.cloudflare.d1_limits import check_answer, check_statement
from cognate.cloudflare.platform_errors import database_error
from cognate.errors import DatabaseError
from cognate.ports import MAX_RESULT_BYTES, MAX_STATEMENT_PARAMETERS, MAX_VALUE_BYTES
from local.demo.better_auth import auth_tables
from local.setup.layout import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cognate.ports import Parameter, Row, Statement

MAX_STATEMENT_BYTES: Final = 100_000
"""Bytes of one statement. Source: D1's page of limits."""

_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: MAX_STATEMENT_BYTES,
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: MAX_STATEMENT_PARAMETERS,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 5,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 32,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}
"""From D1's page of limits, or else the limit at which workerd refuses a statement."""

_SCIENTIFIC: Final = 1e21
"""From this number on JavaScript writes integers with an exponent, so they become floats."""

_CHARACTER_BYTES: Final = 6
"""The most bytes of one character in JSON."""
_NUMBER_BYTES: Final = 30
"""The most bytes of a number in JSON, with quotes, colon and comma."""

_BEGIN: Final = "BEGIN IMMEDIATE -- a batch"
_COMMIT: Final = "COMMIT -- a batch"
"""Unlike any statement of a caller, because the driver does not ask twice about one statement."""

_PRIMARY_CODE: Final = 0xFF
"""The bits of an SQLite error code that are its kind. The higher bits are details."""

_HEXADECIMAL: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")

_FOREIGN_ERRORS: Final = (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError)
"""The errors of the driver for a statement or parameter that it refuses."""


class SqliteDatabase:
    """`cognate.ports.Database` over one SQLite file, or over memory."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, which is made if it is missing. Without a path it is in memory."""
        self._connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA foreign_keys = ON")
        for limit, most in _LIMITS.items():
            self._connection.setlimit(limit, most)
        if sqlite3.sqlite_version_info < (3, 41):
            self._connection.create_function("unhex", 1, unhex, deterministic=True)
        self._in_batch = False
        self._connection.set_authorizer(self._authorize)

    @classmethod
    def migrated(
        cls, path: Path | None = None, folder: Path = ROOT / "migrations"
    ) -> SqliteDatabase:
        """A database with Better Auth's tables and the migrations of `folder`."""
        database = cls(path)
        if path is None:
            # A copy is faster than the migrations.
            _migrated_memory(folder)._connection.backup(database._connection)  # noqa: SLF001 - of this class
        else:
            database._make_tables(folder)
        return database

    def _make_tables(self, folder: Path) -> None:
        self._connection.executescript(auth_tables())
        self.migrate(folder)

    def migrate(self, folder: Path = ROOT / "migrations") -> list[str]:
        """Apply the new migrations in the order of their names, each in a transaction.

        Returns:
            The names of the applied migrations. They are recorded in wrangler's own table.

        Raises:
            DatabaseError: a migration failed. The earlier ones stay applied.
        """
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS cognate_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, "
            "name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)"
        )
        known = {
            name for (name,) in self._connection.execute("SELECT name FROM cognate_migrations")
        }
        new = [path for path in sorted(folder.glob("*.sql")) if path.name not in known]
        for path in new:
            quoted = path.name.replace("'", "''")
            remembered = f"INSERT INTO cognate_migrations (name) VALUES ('{quoted}')"  # noqa: S608 - quoted
            script = f"BEGIN;\n{path.read_text('utf-8')}\n;{remembered};\nCOMMIT;"
            try:
                self._connection.executescript(script)
            except sqlite3.Error as error:
                self._undo()
                raise DatabaseError(f"{path.name}: {error}") from error
        return [path.name for path in new]

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `cognate.ports.Database.batch`."""
        try:
            self._connection.execute(_BEGIN)
            try:
                return self._run_all(statements)
            finally:
                self._undo()
        except _FOREIGN_ERRORS as error:
            raise database_error(_message(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _run_all(self, statements: Sequence[Statement]) -> list[list[Row]]:
        self._in_batch = True
        answers = [self._run(statement) for statement in statements]
        self._in_batch = False
        _check_size(answers)
        self._connection.execute(_COMMIT)
        return answers

    def _run(self, statement: Statement) -> list[Row]:
        if not statement.sql.strip():
            raise sqlite3.ProgrammingError("No SQL statements detected.")
        check_statement(statement)
        parameters = [_bound(parameter) for parameter in statement.parameters]
        cursor = self._connection.execute(statement.sql, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, map(_answered, row), strict=True)) for row in cursor]

    def _undo(self) -> None:
        """Roll back the open transaction, if there is one."""
        self._in_batch = False
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _authorize(self, action: int, *_: str | None) -> int:
        """Refuse statements that begin or end a transaction, as D1 does."""
        if self._in_batch and action in {sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT}:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


def unhex(digits: str | float | bytes | None) -> bytes | None:
    """SQLite's `unhex()`, which D1 has and SQLite before 3.41 has not.

    Returns:
        The bytes; None unless `digits` is pairs of hexadecimal digits.
    """
    if digits is None:
        return None
    text = digits.decode("latin-1") if isinstance(digits, bytes) else str(digits)
    return bytes.fromhex(text) if _HEXADECIMAL.fullmatch(text) else None


@cache
def _migrated_memory(folder: Path) -> SqliteDatabase:
    """A database with the migrations of `folder`, which is copied and never changed."""
    database = SqliteDatabase()
    database._make_tables(folder)  # noqa: SLF001 - of this module
    return database


def _message(error: Exception) -> str:
    """The message of D1. For a broken constraint it ends with the kind."""
    number = error.sqlite_errorcode if isinstance(error, sqlite3.IntegrityError) else 0
    is_constraint = number & _PRIMARY_CODE == sqlite3.SQLITE_CONSTRAINT
    return f"{error}: SQLITE_CONSTRAINT" if is_constraint else str(error)


def _check_size(answers: Sequence[Sequence[Row]]) -> None:
    """Refuse an answer that is too large for D1. Only large answers are counted exactly."""
    most = 0
    for rows in answers:
        names = sum(len(name) + _NUMBER_BYTES for row in rows[:1] for name in row)
        sizes = (len(value) for row in rows for value in row.values() if isinstance(value, str))
        most += len(rows) * names + _CHARACTER_BYTES * sum(sizes)
    if most > MAX_RESULT_BYTES:
        check_answer(answers, json.dumps(answers, ensure_ascii=False, separators=(",", ":")))


def _bound(parameter: Parameter) -> str | float | None:
    """A parameter as D1 gets it: a number is a double, and text is valid Unicode."""
    if parameter is None:
        return None
    if isinstance(parameter, str):
        return parameter.encode("utf-8", "replace").decode()
    return float(parameter)


def _answered(value: Any) -> Any:  # noqa: ANN401 - any value of SQLite, any value of JSON
    """A value as D1 answers it in JSON, which has one kind of number."""
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, int | float):
        return _number(float(value))
    return value


def _number(value: float) -> float | None:
    """A number after `JSON.stringify` and Python's `json.loads`."""
    if not math.isfinite(value):
        return None
    if value.is_integer() and abs(value) < _SCIENTIFIC:
        return int(Decimal(repr(value)))
    return value
