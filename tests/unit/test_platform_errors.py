"""Every message of a platform becomes an error of ours, and the known ones the right one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognate.errors import (
    DatabaseError,
    EmbedderBusy,
    EmbedderError,
    EmbedderRejected,
    EmbedderTimeout,
    MissingColumn,
    MissingTable,
    VectorIndexError,
    VectorIndexRejected,
    VectorIndexUnavailable,
)
from cognate.platform_errors import (
    EMBEDDER_ERRORS,
    database_error,
    embedder_error,
    vector_index_error,
)
from local import vector_limits, workers_ai
from local.vector_limits import Operation


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("3040: Capacity temporarily exceeded, please try again.", EmbedderBusy),
        # As it arrives through RPC, with the error's name in front.
        ("AiError: 3040: Capacity temporarily exceeded.", EmbedderBusy),
        ("InferenceUpstreamError: 3036: You have used up your daily free allocation", EmbedderBusy),
        ("3007: Request timeout", EmbedderTimeout),
        ("3006: Request too large", EmbedderRejected),
        ("3042: No such model", EmbedderRejected),
        ("5004: Invalid data", EmbedderRejected),
        (
            "5006: Error: oneOf at '/' not met, 0 matches: Length of '/text' must be",
            EmbedderRejected,
        ),
        ("5007: No such model @cf/x/y or task", EmbedderRejected),
        ("5021: The estimated number of input tokens (70000) exceeded", EmbedderRejected),
        # A number in the text of another error does not hide its own.
        ("5007: No such model 3040: or task", EmbedderRejected),
        ("HTTP 429 Too Many Requests", EmbedderBusy),
        ("Model is busy", EmbedderBusy),
        # Nothing is known about these: they are tried again, within limits.
        ("9999: something new", EmbedderError),
        ("Network connection lost.", EmbedderError),
        ("", EmbedderError),
    ],
)
def test_a_message_of_workers_ai_is_mapped(message: str, kind: type[EmbedderError]) -> None:
    """The number decides; without one, what says that the model has too much to do."""
    error = embedder_error(message)

    assert type(error) is kind
    assert str(error) == message


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("VECTOR_QUERY_ERROR (code = 40025): max top K is 100, but got 101", VectorIndexRejected),
        ("Error: VECTOR_UPSERT_ERROR (code = 40008): id too long", VectorIndexRejected),
        ("VECTOR_QUERY_ERROR (code = 49999): a rule of tomorrow", VectorIndexRejected),
        ("VECTOR_QUERY_ERROR (code = 50000): internal error", VectorIndexError),
        ("VECTOR_QUERY_ERROR (code = 10001): not ready", VectorIndexError),
        ("Network connection lost.", VectorIndexUnavailable),
        ("", VectorIndexUnavailable),
    ],
)
def test_a_message_of_vectorize_is_mapped(message: str, kind: type[VectorIndexError]) -> None:
    """A broken rule is told from a failure, and a failure from silence."""
    error = vector_index_error(message)

    assert type(error) is kind
    assert str(error) == message


@given(st.text())
def test_the_mapping_is_total(message: str) -> None:
    """No message at all raises anything else, or is lost."""
    assert str(embedder_error(message)) == message
    assert str(vector_index_error(message)) == message


@given(st.integers(0, 9999), st.text())
def test_any_number_of_workers_ai_has_a_kind(number: int, text: str) -> None:
    """The numbers of the table are told apart, and every other one is an error still."""
    error = embedder_error(f"{number:04}: {text}")

    expected = EMBEDDER_ERRORS.get(number)
    assert isinstance(error, EmbedderError)
    assert expected is None or type(error) is expected


def test_what_the_local_workers_ai_refuses_is_refused() -> None:
    """Its errors are about the caller's input, all of them."""
    numbers = (workers_ai.NO_SUCH_MODEL, workers_ai.INVALID_INPUT, workers_ai.CONTEXT_EXCEEDED)

    assert {EMBEDDER_ERRORS[number] for number in numbers} == {EmbedderRejected}


def test_what_the_local_vectorize_refuses_is_refused() -> None:
    """Each of its errors breaks a rule."""
    upsert = Operation.UPSERT
    for error in (
        vector_limits.wrong_query_dimensions(768, 2),
        vector_limits.too_many_ids(Operation.DELETE, 100, 101),
        vector_limits.too_many_vectors(upsert, 1001),
        vector_limits.id_too_long(upsert, 65),
        vector_limits.namespace_too_long(upsert, 65),
        vector_limits.wrong_vector_dimensions(upsert, "a", 768, 2),
        vector_limits.metadata_too_large(upsert, "a", 10_241),
        vector_limits.index_full(upsert, "vectors", 1),
        vector_limits.malformed_request(upsert, "no reason"),
        vector_limits.top_k_too_large(101, with_content=False),
        vector_limits.malformed_query("no reason"),
    ):
        assert type(vector_index_error(error.message)) is VectorIndexRejected


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("D1_ERROR: no such table: claims: SQLITE_ERROR", MissingTable),
        ("no such table: main.claims", MissingTable),
        ("D1_ERROR: no such column: r.embedding at offset 7: SQLITE_ERROR", MissingColumn),
        ("table claims has no column named year", MissingColumn),
        ("D1_ERROR: UNIQUE constraint failed: claims.id: SQLITE_CONSTRAINT", DatabaseError),
        ("", DatabaseError),
    ],
)
def test_a_message_of_d1_is_mapped(message: str, kind: type[DatabaseError]) -> None:
    """What is missing is told from what failed."""
    assert type(database_error(message)) is kind
