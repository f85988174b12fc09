"""Limits of D1, at n and at n + 1."""

from __future__ import annotations

import json

import pytest

from cognate.cloudflare.d1_limits import check_answer, check_statement
from cognate.errors import DatabaseError, ValueTooLarge
from cognate.ports import MAX_RESULT_BYTES, MAX_STATEMENT_PARAMETERS, MAX_VALUE_BYTES, Statement


def test_a_statement_binds_a_hundred_parameters_and_not_one_more() -> None:
    """Whether or not the statement uses them."""
    check_statement(Statement("SELECT 1", (None,) * MAX_STATEMENT_PARAMETERS))
    with pytest.raises(DatabaseError, match="at most 100 parameters"):
        check_statement(Statement("SELECT 1", (None,) * (MAX_STATEMENT_PARAMETERS + 1)))


@pytest.mark.parametrize(("letter", "size"), [("x", 1), ("é", 2), ("字", 3), ("🦉", 4)])
def test_a_value_is_counted_in_bytes(letter: str, size: int) -> None:
    """Two million of them, as a parameter and in an answer."""
    most = letter * (MAX_VALUE_BYTES // size)
    for text, fits in ((most, True), (most + letter, False)):
        statement, answers = Statement("SELECT ?1", (1, text)), [[{"a": 1, "b": text}]]
        answer = json.dumps(answers, ensure_ascii=False)
        if fits:
            check_statement(statement)
            check_answer(answers, answer)
            continue
        with pytest.raises(ValueTooLarge, match="too big"):
            check_statement(statement)
        with pytest.raises(ValueTooLarge, match="too big"):
            check_answer(answers, answer)


def test_half_a_character_is_counted_as_what_replaces_it() -> None:
    """It raises nothing else."""
    check_statement(Statement("SELECT ?1", ("\ud800" * (MAX_VALUE_BYTES // 3),)))
    with pytest.raises(ValueTooLarge):
        check_statement(Statement("SELECT ?1", ("\ud800" * (MAX_VALUE_BYTES + 1),)))


@pytest.mark.parametrize(("letter", "size"), [("x", 1), ("é", 2)])
def test_each_text_of_an_answer_is_counted(letter: str, size: int) -> None:
    """Many texts may be larger together than one of them may be."""
    most = letter * (MAX_VALUE_BYTES // size)
    check_answer([[{"a": most, "b": 1}], [{"a": most}]], most * 2)
    with pytest.raises(ValueTooLarge):
        check_answer([[{"a": most, "b": 1}], [{"a": most + letter}]], most * 2)


@pytest.mark.parametrize(("letter", "size"), [("x", 1), ("é", 2)])
def test_an_answer_is_counted_in_bytes(letter: str, size: int) -> None:
    """Fifty million of them."""
    most = letter * (MAX_RESULT_BYTES // size)
    check_answer([], most)
    with pytest.raises(DatabaseError, match="at most 50000000 bytes"):
        check_answer([], most + letter)
