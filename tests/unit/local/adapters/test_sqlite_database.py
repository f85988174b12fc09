"""Tests of `local.adapters.sqlite_database` beyond the contract suite of databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.errors import DatabaseError, ValueTooLarge
from cognate.ports import MAX_RESULT_BYTES, MAX_VALUE_BYTES, Statement
from local.adapters.sqlite_database import SqliteDatabase, unhex

if TYPE_CHECKING:
    from pathlib import Path

    from cognate.ports import Row


async def rows(database: SqliteDatabase, sql: str, *parameters: str) -> list[Row]:
    """The rows of one statement."""
    return (await database.batch([Statement(sql, parameters)]))[0]


async def test_a_stored_row_has_at_most_two_megabytes() -> None:
    """D1 limits the values of a row together. Miniflare does not."""
    database = SqliteDatabase()
    await rows(database, "CREATE TABLE notes (a TEXT, b TEXT)")
    half = "x" * (MAX_VALUE_BYTES // 2)
    insert = "INSERT INTO notes VALUES (?1, ?1 || ?2)"

    with pytest.raises(ValueTooLarge, match="too big"):
        await rows(database, insert, half, "")  # Some bytes say where the values are.
    await rows(database, insert, half[100:], "x" * 100)

    assert await rows(database, "SELECT COUNT(*) AS n FROM notes") == [{"n": 1}]


async def test_a_large_answer_of_short_values_is_refused_too() -> None:
    """The limit counts the JSON with the names of the columns."""
    name = "n" * 10_000
    sql = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) "  # noqa: S608 - of a test
        f"SELECT 123456789 AS {name} FROM n"
    )
    most = (MAX_RESULT_BYTES - len("[[]]")) // len(f'{{"{name}":123456789}},')

    assert len((await SqliteDatabase().batch([Statement(sql, (most,))]))[0]) == most
    with pytest.raises(DatabaseError, match="at most 50000000 bytes"):
        await SqliteDatabase().batch([Statement(sql, (most + 1,))])


async def test_what_is_too_large_to_be_answered_is_not_written() -> None:
    """The batch is rolled back."""
    database = SqliteDatabase()
    await rows(database, "CREATE TABLE notes (a TEXT)")
    large = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 51) "
        "SELECT ?1 AS a FROM n"
    )
    write = Statement("INSERT INTO notes VALUES ('a')")
    read = Statement(large, ("x" * 1_000_000,))

    with pytest.raises(DatabaseError):
        await database.batch([write, read])

    assert await rows(database, "SELECT * FROM notes") == []


async def test_a_function_has_at_most_32_arguments() -> None:
    """D1 has this limit. Miniflare does not."""
    database = SqliteDatabase()

    await rows(database, f"SELECT max({', '.join(['1'] * 32)})")
    with pytest.raises(DatabaseError, match="too many arguments"):
        await rows(database, f"SELECT max({', '.join(['1'] * 33)})")


async def test_two_statements_in_one_are_refused() -> None:
    """D1 runs both, but nobody could tell their rows apart."""
    with pytest.raises(DatabaseError, match="one statement"):
        await rows(SqliteDatabase(), "SELECT 1; SELECT 2")


async def test_numbers_that_json_does_not_have_come_back_as_json_has_them() -> None:
    """Infinity becomes null, and a large integer becomes the nearest double."""
    [row] = await rows(
        SqliteDatabase(), f"SELECT 9e999 AS a, {2**53 + 1} AS b, 1e21 AS c, {2**60} AS d"
    )

    assert row == {"a": None, "b": 2**53, "c": 1e21, "d": 1152921504606847000}
    assert isinstance(row["c"], float)


async def test_a_mistake_of_the_caller_leaves_no_transaction_open() -> None:
    """A parameter of a wrong type is a bug of the caller, not a database error."""
    database = SqliteDatabase()

    with pytest.raises(TypeError):
        await database.batch([Statement("SELECT ?1", (["list"],))])  # type: ignore[arg-type]  # the mistake

    assert await rows(database, "SELECT 1 AS n") == [{"n": 1}]


async def test_a_file_keeps_what_was_written(tmp_path: Path) -> None:
    """The next connection to the file reads it."""
    first = SqliteDatabase(tmp_path / "d1.sqlite")
    await rows(first, "CREATE TABLE notes AS SELECT 'kept' AS body")
    first.close()

    second = SqliteDatabase(tmp_path / "d1.sqlite")

    assert await rows(second, "SELECT body FROM notes") == [{"body": "kept"}]


async def test_a_database_out_of_reach_is_an_error_of_the_database(tmp_path: Path) -> None:
    """Even the start of a batch can fail."""
    database = SqliteDatabase(tmp_path / "d1.sqlite")
    database.close()

    with pytest.raises(DatabaseError):
        await rows(database, "SELECT 1")


async def test_the_projects_migrations_are_applied_once() -> None:
    """The first call applies all of them, the second none."""
    database = SqliteDatabase()

    applied = database.migrate()

    assert applied == sorted(applied) != []
    assert database.migrate() == []
    assert {"claims", "cognate_jobs"} <= {
        row["name"] for row in await rows(database, "SELECT name FROM sqlite_schema")
    }


def test_a_migration_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    """The earlier ones stay, and the corrected migration is applied later."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE a (id TEXT);")
    (tmp_path / "0002_it's second.sql").write_text("CREATE TABLE b (id TEXT); CREATE TABLE a (x);")
    database = SqliteDatabase()

    with pytest.raises(DatabaseError, match="0002"):
        database.migrate(tmp_path)
    (tmp_path / "0002_it's second.sql").write_text("CREATE TABLE b (id TEXT);")

    assert database.migrate(tmp_path) == ["0002_it's second.sql"]


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("00fF", b"\x00\xff"),
        (b"00fF", b"\x00\xff"),
        (12, b"\x12"),
        ("", b""),
        (None, None),
        ("0", None),
        ("0g", None),
        ("00 ff", None),
        ("00\n", None),
    ],
)
def test_whole_pairs_of_digits_are_bytes(
    digits: str | bytes | float | None, expected: bytes | None
) -> None:
    """Anything else is NULL, as SQLite's documentation says."""
    assert unhex(digits) == expected
