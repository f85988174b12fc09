"""What every database promises."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from cognate.errors import (
    ConstraintViolated,
    DatabaseError,
    MissingColumn,
    MissingTable,
    ValueTooLarge,
)
from cognate.ports import (
    MAX_RESULT_BYTES,
    MAX_STATEMENT_PARAMETERS,
    MAX_VALUE_BYTES,
    Statement,
)
from tests.contract.raising import raised

if TYPE_CHECKING:
    from cognate.ports import Database, Parameter, Row

EMPTY: Final = (
    Statement("DROP TABLE IF EXISTS contract_lines"),
    Statement("DROP TABLE IF EXISTS contract_notes"),
    Statement(
        "CREATE TABLE contract_notes (id TEXT PRIMARY KEY, body TEXT, size INTEGER, data BLOB)"
    ),
    Statement(
        "CREATE TABLE contract_lines (id TEXT PRIMARY KEY, "
        "note_id TEXT NOT NULL REFERENCES contract_notes (id) ON DELETE CASCADE)"
    ),
)
ADD_NOTE: Final = "INSERT INTO contract_notes (id, body, size) VALUES (?1, ?2, ?3)"
ALL_NOTES: Final = Statement("SELECT id, body, size FROM contract_notes ORDER BY id")


class DatabaseSuite(ABC):
    """The contract of `cognate.ports.Database`."""

    @abstractmethod
    def database(self) -> Database:
        """The database under test; what is in it does not matter."""

    async def emptied(self) -> Database:
        """The database with two tables that have no rows."""
        database = self.database()
        await database.batch(EMPTY)
        return database

    async def value(self, sql: str, *parameters: Parameter) -> object:
        """What `SELECT sql AS value` answers."""
        [[row]] = await self.database().batch([Statement(f"SELECT {sql} AS value", parameters)])
        return row["value"]

    async def test_answers_come_in_the_order_of_their_statements(self) -> None:
        """Each statement has its list of rows, empty where it returns none."""
        database = await self.emptied()

        answers = await database.batch(
            [
                ALL_NOTES,
                Statement(ADD_NOTE, ("b", "second", 2)),
                Statement(ADD_NOTE, ("a", "first", 1)),
                ALL_NOTES,
            ]
        )

        rows: list[Row] = [
            {"id": "a", "body": "first", "size": 1},
            {"id": "b", "body": "second", "size": 2},
        ]
        assert answers == [[], [], [], rows]

    async def test_a_failing_statement_undoes_the_whole_batch(self) -> None:
        """Neither what came before it nor what comes after it is written."""
        database = await self.emptied()
        note = Statement(ADD_NOTE, ("a", "first", 1))

        error = await raised(database.batch([note, note, Statement(ADD_NOTE, ("b", "", 0))]))

        assert isinstance(error, DatabaseError)
        assert await database.batch([ALL_NOTES]) == [[]]

    async def test_a_batch_after_a_failed_one_is_stored(self) -> None:
        """A failure leaves no transaction open."""
        database = await self.emptied()
        await raised(database.batch([Statement("no such thing")]))

        await database.batch([Statement(ADD_NOTE, ("a", "first", 1))])

        assert len((await database.batch([ALL_NOTES]))[0]) == 1

    async def test_errors_are_mapped(self) -> None:
        """Syntax and wrong parameters are DatabaseErrors."""
        database = await self.emptied()
        for statement in (
            Statement("SELEKT 1"),
            Statement("SELECT ?1", ()),
            Statement("SELECT 1", ("one too many",)),
            Statement(""),
        ):
            error = await raised(database.batch([statement]))

            assert type(error) is DatabaseError, statement
            assert str(error)

    async def test_a_broken_constraint_is_told_apart(self) -> None:
        """Of every kind, and a trigger that raises: such a write fails again."""
        database = await self.emptied()
        trigger = Statement(
            "CREATE TRIGGER contract_closed BEFORE INSERT ON contract_notes WHEN NEW.size > 9 "
            "BEGIN SELECT RAISE(ABORT, 'no such table: this one is closed'); END"
        )
        checked = "CREATE TABLE contract_checked (size INTEGER CHECK (size < 10))"
        await database.batch(
            [
                trigger,
                Statement("DROP TABLE IF EXISTS contract_checked"),
                Statement(checked),
                Statement(ADD_NOTE, ("a", "first", 1)),
            ]
        )
        for statement in (
            Statement(ADD_NOTE, ("a", "the same key", 1)),
            Statement("INSERT INTO contract_lines VALUES ('l', NULL)"),
            Statement("INSERT INTO contract_lines VALUES ('l', 'nothing')"),
            Statement("INSERT INTO contract_checked VALUES (10)"),
            Statement(ADD_NOTE, ("b", "too large", 10)),
            # OR IGNORE passes over other constraints, and over neither of these.
            Statement("INSERT OR IGNORE INTO contract_lines VALUES ('l', 'nothing')"),
            Statement(ADD_NOTE.replace("INSERT", "INSERT OR IGNORE"), ("b", "too large", 10)),
        ):
            error = await raised(database.batch([statement]))

            assert type(error) is ConstraintViolated, statement

    async def test_a_wrong_type_is_no_broken_constraint(self) -> None:
        """A key that must be a number, and is none, is a mistake in the statement."""
        database = await self.emptied()
        await database.batch(
            [
                Statement("DROP TABLE IF EXISTS contract_numbers"),
                Statement("CREATE TABLE contract_numbers (id INTEGER PRIMARY KEY)"),
            ]
        )
        error = await raised(
            database.batch([Statement("INSERT INTO contract_numbers VALUES (?1)", ("a",))])
        )

        assert type(error) is DatabaseError

    async def test_a_missing_table_is_named(self) -> None:
        """Whoever reads or writes it; also a trigger that does."""
        database = await self.emptied()
        trigger = Statement(
            "CREATE TRIGGER contract_noted AFTER INSERT ON contract_notes "
            "BEGIN INSERT INTO contract_missing VALUES (1); END"
        )
        for statements in (
            [Statement("SELECT n.* FROM contract_missing n")],
            [Statement('DELETE FROM "contract_missing"')],
            [Statement("INSERT INTO contract_missing VALUES (1)")],
            [trigger, Statement(ADD_NOTE, ("a", "first", 1))],
        ):
            error = await raised(database.batch(statements))

            assert isinstance(error, MissingTable), statements
            assert error.table == "contract_missing"

    async def test_a_missing_column_is_named(self) -> None:
        """As the statement has it."""
        database = await self.emptied()
        for sql, name in (
            ("SELECT n.colour FROM contract_notes n", "n.colour"),
            ("SELECT colour FROM contract_notes", "colour"),
            ("INSERT INTO contract_notes (colour) VALUES (1)", "colour"),
            ("UPDATE contract_notes SET colour = 1", "colour"),
        ):
            error = await raised(database.batch([Statement(sql)]))

            assert isinstance(error, MissingColumn), sql
            assert error.column == name

    async def test_foreign_keys_hold(self) -> None:
        """A reference to nothing is refused, and a deletion cascades."""
        database = await self.emptied()
        line = Statement("INSERT INTO contract_lines VALUES ('l', 'n')")

        assert isinstance(await raised(database.batch([line])), ConstraintViolated)
        await database.batch([Statement(ADD_NOTE, ("n", None, None)), line])
        [_, lines] = await database.batch(
            [Statement("DELETE FROM contract_notes"), Statement("SELECT * FROM contract_lines")]
        )
        assert lines == []

    async def test_a_batch_is_the_only_transaction(self) -> None:
        """A statement can neither begin nor end one, nor keep what is before it."""
        database = await self.emptied()
        for sql in ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT here"):
            note = Statement(ADD_NOTE, ("a", "first", 1))

            assert type(await raised(database.batch([note, Statement(sql)]))) is DatabaseError, sql
            assert await database.batch([ALL_NOTES]) == [[]], sql

    async def test_values_keep_their_types(self) -> None:
        """NULL, integers, fractions and text arrive and come back as they are."""
        for value in (None, 0, -1, 2**53 - 1, 1.5, -1e-9, 1e300, "", "text", "naïve 🦉 \n\"'"):
            answer = await self.value("?1", value)

            assert answer == value
            assert type(answer) is type(value)

    async def test_a_whole_number_comes_back_as_an_integer(self) -> None:
        """JSON has one kind of number, so a float without a fraction is none."""
        answer = await self.value("?1", 2.0)

        assert answer == 2
        assert type(answer) is int

    async def test_numbers_are_bound_as_floating_point(self) -> None:
        """JavaScript has one kind of number: a division of two parameters is never whole."""
        assert await self.value("typeof(?1)", 3) == "real"
        assert await self.value("?1 / ?2", 3, 2) == 1.5

    async def test_a_column_gives_numbers_its_own_type(self) -> None:
        """An INTEGER column stores a whole number as an integer."""
        database = await self.emptied()

        [_, rows] = await database.batch(
            [
                Statement(ADD_NOTE, ("a", None, 7)),
                Statement("SELECT typeof(size) AS kind, size / 2 AS half FROM contract_notes"),
            ]
        )

        assert rows == [{"kind": "integer", "half": 3}]

    async def test_text_without_meaning_in_unicode_is_replaced(self) -> None:
        """Half of a surrogate pair cannot be stored; the text around it can."""
        answer = await self.value("?1", "a\ud800b")

        assert isinstance(answer, str)
        assert (answer[0], answer[-1]) == ("a", "b")
        assert answer.encode()

    async def test_parameters_are_bound_by_their_number(self) -> None:
        """Out of order, and twice."""
        assert await self.value("?2 || ?1 || ?2", "a", "b") == "bab"

    async def test_bytes_go_in_by_unhex_and_come_out_by_hex(self) -> None:
        """All 256 of them, in both cases of the digits."""
        everything = bytes(range(256))
        database = await self.emptied()

        [_, rows] = await database.batch(
            [
                Statement(
                    "INSERT INTO contract_notes (id, data) "
                    "VALUES ('a', unhex(?1)), ('b', unhex(?2))",
                    (everything.hex(), everything.hex().upper()),
                ),
                Statement("SELECT hex(data) AS data, typeof(data) AS kind FROM contract_notes"),
            ]
        )

        assert rows == [{"data": everything.hex().upper(), "kind": "blob"}] * 2

    async def test_unhex_of_anything_else_is_null(self) -> None:
        """Half a byte, no digits, spaces, NULL."""
        for digits in ("abc", "xy", "0 0", "\uff10\uff10", None):
            assert await self.value("unhex(?1)", digits) is None, digits
        assert await self.value("hex(unhex(''))") == ""

    async def test_a_blob_that_is_selected_comes_as_numbers(self) -> None:
        """What nobody should ask for, the same everywhere."""
        assert await self.value("unhex('00ff')") == [0, 255]

    async def test_a_list_goes_in_as_one_json_parameter(self) -> None:
        """`json_each` makes rows of it, with keys that are read by `->>`."""
        items = [{"id": "a", "n": 1}, {"id": "b", "n": None}, {"id": "ç", "flag": True}]

        [rows] = await self.database().batch(
            [
                Statement(
                    "SELECT value ->> 'id' AS id, value ->> 'n' AS n, value ->> 'flag' AS flag "
                    "FROM json_each(?1) ORDER BY key",
                    (json.dumps(items),),
                )
            ]
        )

        assert rows == [
            {"id": "a", "n": 1, "flag": None},
            {"id": "b", "n": None, "flag": None},
            {"id": "ç", "n": None, "flag": 1},
        ]

    async def test_json_columns_come_back_as_text(self) -> None:
        """What was built with `json_object` is decoded by whoever asked for it."""
        answer = await self.value("json_object('list', json_array(1, NULL, 'x'))")

        assert json.loads(str(answer)) == {"list": [1, None, "x"]}

    async def test_returning_answers_what_was_written(self) -> None:
        """And upserts tell what stands there now."""
        sql = (
            "INSERT INTO contract_notes (id, size) VALUES (?1, 1) "
            "ON CONFLICT (id) DO UPDATE SET size = size + 1 RETURNING id, size"
        )
        database = await self.emptied()

        answers = await database.batch([Statement(sql, ("a",)), Statement(sql, ("a",))])

        assert answers == [[{"id": "a", "size": 1}], [{"id": "a", "size": 2}]]

    async def test_a_statement_has_at_most_a_hundred_parameters(self) -> None:
        """A hundred are fine and one more is an error."""
        most = MAX_STATEMENT_PARAMETERS

        def summed(count: int) -> Statement:
            terms = "), (".join(f"?{number}" for number in range(1, count + 1))
            sql = f"SELECT sum(column1) AS value FROM (VALUES ({terms}))"  # noqa: S608 - of a test
            return Statement(sql, (1,) * count)

        assert await self.database().batch([summed(most)]) == [[{"value": most}]]
        assert type(await raised(self.database().batch([summed(most + 1)]))) is DatabaseError

    async def test_a_json_parameter_of_a_megabyte_and_a_half_is_fine(self) -> None:
        """That much is what `cognate.sql` puts into one statement."""
        text = json.dumps(["x" * 996] * 1500, separators=(",", ":"))
        assert len(text) > 1_490_000

        [rows] = await self.database().batch(
            [
                Statement(
                    "SELECT count(*) AS n, sum(length(value)) AS size FROM json_each(?1)", (text,)
                )
            ]
        )

        assert rows == [{"n": 1500, "size": 1500 * 996}]

    async def test_a_statement_has_at_most_a_hundred_kilobytes(self) -> None:
        """A longer one is an error, however simple it is."""
        short, long = "SELECT 1 AS n --".ljust(99_000, "x"), "SELECT 1 AS n --".ljust(100_100, "x")

        assert await self.database().batch([Statement(short)]) == [[{"n": 1}]]
        assert type(await raised(self.database().batch([Statement(long)]))) is DatabaseError

    async def test_a_value_of_almost_two_megabytes_is_stored(self) -> None:
        """D1's limit for a text, a blob and a row."""
        database = await self.emptied()

        [_, rows] = await database.batch(
            [
                Statement(ADD_NOTE, ("a", "x" * 1_990_000, 0)),
                Statement("SELECT length(body) AS size FROM contract_notes"),
            ]
        )

        assert rows == [{"size": 1_990_000}]

    async def test_a_bound_value_has_at_most_two_megabytes(self) -> None:
        """In bytes of UTF-8, which other letters have more of than characters."""
        for text, more in (("x" * MAX_VALUE_BYTES, "x"), ("é" * (MAX_VALUE_BYTES // 2), "é")):
            assert await self.value("length(?1)", text) == len(text)

            error = await raised(self.value("length(?1)", text + more))
            assert type(error) is ValueTooLarge

    async def test_a_value_that_is_made_has_at_most_two_megabytes(self) -> None:
        """A text that SQL puts together is as long as one that is bound."""
        half = "x" * (MAX_VALUE_BYTES // 2)

        assert len(str(await self.value("?1 || ?1", half))) == MAX_VALUE_BYTES
        assert type(await raised(self.value("?1 || ?1 || 'x'", half))) is ValueTooLarge

    async def test_an_answer_has_at_most_fifty_megabytes(self) -> None:
        """All rows of a batch together; a row less than that is fine."""
        rows = (
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) "
            "SELECT ?2 AS body FROM n"
        )
        text = "x" * (MAX_VALUE_BYTES // 2)
        full = MAX_RESULT_BYTES // len(text)

        [found] = await self.database().batch([Statement(rows, (full - 1, text))])
        assert len(found) == full - 1
        error = await raised(self.database().batch([Statement(rows, (full, text))]))
        assert type(error) is DatabaseError
        halves = [Statement(rows, (full // 2, text))] * 2
        assert type(await raised(self.database().batch(halves))) is DatabaseError

    async def test_large_statements_are_refused_alike(self) -> None:
        """Limits of SQLite that the Workers' runtime lowers, and what it forbids."""
        many = ", ".join(str(number) for number in range(101))
        for sql in (
            f"SELECT {many}",
            " UNION ALL ".join(["SELECT 1"] * 6),
            f"SELECT 'a' LIKE '{'x' * 51}'",
            f"SELECT {' + '.join(['1'] * 102)}",
            "ATTACH ':memory:' AS other",
        ):
            assert type(await raised(self.database().batch([Statement(sql)]))) is DatabaseError, sql

    async def test_an_empty_batch_does_nothing(self) -> None:
        """It answers an empty list."""
        assert await self.database().batch([]) == []
