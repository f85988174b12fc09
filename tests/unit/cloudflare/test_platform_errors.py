"""Every message of a platform becomes an error of ours, and the known ones the right one."""

from __future__ import annotations

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognate.cloudflare.platform_errors import (
    EMBEDDER_ERRORS,
    VECTOR_INDEX_ERRORS,
    database_error,
    embedder_error,
    vector_index_error,
)
from cognate.errors import (
    ConstraintViolated,
    DatabaseError,
    EmbedderAccessDenied,
    EmbedderAllowanceUsedUp,
    EmbedderBusy,
    EmbedderError,
    EmbedderModelUnavailable,
    EmbedderRejected,
    EmbedderTimeout,
    MissingColumn,
    MissingTable,
    ValueTooLarge,
    VectorIndexError,
    VectorIndexRejected,
    VectorIndexThrottled,
    VectorIndexUnavailable,
)
from local.ai import local_workers_ai as workers_ai
from local.bindings.cloudflare_errors import AI_SENTENCES, INDEX_SENTENCES
from local.vectorize import limits as vector_limits
from local.vectorize.limits import Operation

BLAMING: Final = frozenset({3006, 5004, 5006, 5021})
"""Numbers of Workers AI that may blame a text."""
BLAMING_CODES: Final = frozenset({40006, 40008, 40012, 40016, 40023})
"""Codes of Vectorize that may blame a record."""
NAMES: Final = st.sampled_from(["", "Error: ", "AiError: ", "InferenceUpstreamError: AiError: "])
OPERATIONS: Final = st.sampled_from([operation.value for operation in Operation])
QUOTES: Final = st.sampled_from(
    ["", "5006: ", "x 3006:", "(code = 40008)", "VECTOR_UPSERT_ERROR (code = 40016): "]
)
"""What a sentence may quote, and must not be judged by."""


@pytest.mark.parametrize(
    ("message", "kind", "number"),
    [
        # Busy: it ends by itself.
        ("3040: Capacity temporarily exceeded, please try again.", EmbedderBusy, 3040),
        # As it arrives through RPC, with the error's name in front.
        ("AiError: 3040: Capacity temporarily exceeded.", EmbedderBusy, 3040),
        ("InferenceUpstreamError: AiError: 3040: No more data centers", EmbedderBusy, 3040),
        # Without a number, by the words for it.
        ("HTTP 429 Too Many Requests", EmbedderBusy, None),
        ("Model is busy", EmbedderBusy, None),
        ("too many requests", EmbedderBusy, None),
        # No answer in time.
        ("3007: Request timeout", EmbedderTimeout, 3007),
        # The allowance, as it reads and as it is documented.
        (
            "4006: you have used up your daily free allocation of 10,000 neurons",
            EmbedderAllowanceUsedUp,
            4006,
        ),
        ("AiError: 3036: You have used up your", EmbedderAllowanceUsedUp, 3036),
        # The model was retired, or its name is wrong.
        ("5007: No such model @cf/x/y or task", EmbedderModelUnavailable, 5007),
        ("3042: The model name is invalid", EmbedderModelUnavailable, 3042),
        # The account: blocked, not allowed, terms not agreed to, and a number without a sentence.
        ("3023: Service unavailable for account", EmbedderAccessDenied, 3023),
        ("3041: The account is not allowed", EmbedderAccessDenied, 3041),
        ("5018: The account is not allowed", EmbedderAccessDenied, 5018),
        ("5016: User has not agreed to", EmbedderAccessDenied, 5016),
        ("5035: something", EmbedderAccessDenied, 5035),
        # Internal, under numbers that need no name.
        ("3043: Internal server error", EmbedderError, 3043),
        ("3046: something", EmbedderError, 3046),
        # This input: the allow-list.
        ("3006: Request is too large", EmbedderRejected, 3006),
        ("5004: Invalid data", EmbedderRejected, 5004),
        ("5006: Error: oneOf at '/' not met, 0 matches", EmbedderRejected, 5006),
        ("5021: The estimated number of input tokens (70000)", EmbedderRejected, 5021),
        # A number in the text of another error does not hide its own.
        ("5007: No such model 3040: or task", EmbedderModelUnavailable, 5007),
        # Nor does one that is quoted blame a text, or a port that looks like one.
        ("1031: upstream said 5006: invalid", EmbedderError, 1031),
        ("connect ECONNREFUSED 127.0.0.1:3006: refused", EmbedderError, None),
        # Documented numbers that are about a deployment's own calls.
        ("5005: The model does not support LoRa inference", EmbedderError, 5005),
        # Nothing is known about these.
        ("9999: something new", EmbedderError, 9999),
        ("InferenceUpstreamError: error code: 1031", EmbedderError, None),
        ("Network connection lost.", EmbedderError, None),
        ("", EmbedderError, None),
    ],
)
def test_a_message_of_workers_ai_is_mapped(
    message: str, kind: type[EmbedderError], number: int | None
) -> None:
    """The number in front decides; without one, words for having too much to do."""
    error = embedder_error(message)

    assert (type(error), error.number) == (kind, number)
    assert str(error) == message


@pytest.mark.parametrize(
    ("message", "kind", "number"),
    [
        # Throttled: the threshold is not published.
        (
            "VECTOR_UPSERT_ERROR (code = 40041): Too Many Requests",
            VectorIndexThrottled,
            40041,
        ),
        ("VECTOR_DELETE_ERROR (code = 40041): Too Many Requests", VectorIndexThrottled, 40041),
        ("Too Many Requests", VectorIndexThrottled, None),
        # A rule that this vector, id, metadata or filter breaks: the allow-list.
        ("VECTOR_QUERY_ERROR (code = 40006): invalid query vector", VectorIndexRejected, 40006),
        ("Error: VECTOR_UPSERT_ERROR (code = 40008): id too long", VectorIndexRejected, 40008),
        ("VECTOR_UPSERT_ERROR (code = 40012): invalid vector", VectorIndexRejected, 40012),
        ("VECTOR_UPSERT_ERROR (code = 40016): oversized metadata", VectorIndexRejected, 40016),
        ("VECTOR_INSERT_ERROR (code = 40023): failed to parse", VectorIndexRejected, 40023),
        # A deletion names nothing but ids that are made here.
        ("VECTOR_DELETE_ERROR (code = 40008): id too long", VectorIndexError, 40008),
        ("VECTOR_DELETE_ERROR (code = 40023): failed to parse", VectorIndexError, 40023),
        # The size of a call, and how much a query asks for, are ours too.
        ("VECTOR_DELETE_ERROR (code = 40007): too many ids", VectorIndexError, 40007),
        ("VECTOR_UPSERT_ERROR (code = 40007): too many vectors", VectorIndexError, 40007),
        ("VECTOR_QUERY_ERROR (code = 40025): max top K is 100", VectorIndexError, 40025),
        # Nothing is known about these.
        ("VECTOR_QUERY_ERROR (code = 49999): a rule of tomorrow", VectorIndexError, 49999),
        ("VECTOR_QUERY_ERROR (code = 50000): internal error", VectorIndexError, 50000),
        ("VECTOR_QUERY_ERROR (code = 10001): not ready", VectorIndexError, 10001),
        # A code that a sentence quotes is not the error's own.
        ("VECTOR_UPSERT_ERROR (code = 50000): (code = 40008)", VectorIndexError, 50000),
        # Without a code, it never got there.
        ("lost: VECTOR_UPSERT_ERROR(code = 40008)", VectorIndexUnavailable, None),
        ("Network connection lost.", VectorIndexUnavailable, None),
        ("", VectorIndexUnavailable, None),
    ],
)
def test_a_message_of_vectorize_is_mapped(
    message: str, kind: type[VectorIndexError], number: int | None
) -> None:
    """A broken rule is told from a failure, and a failure from silence."""
    error = vector_index_error(message)

    assert (type(error), error.number) == (kind, number)
    assert str(error) == message


@given(st.text())
def test_the_mapping_is_total(message: str) -> None:
    """No message at all raises anything else, or is lost."""
    assert str(embedder_error(message)) == message
    assert str(vector_index_error(message)) == message


@pytest.mark.parametrize(
    "digits", ["9" * 10_000, "\uff14\uff10\uff10\uff10\uff18", "-40008", "4_0008"]
)
def test_a_code_that_is_no_number_raises_nothing(digits: str) -> None:
    """Neither one that is too long for an int, nor digits of another script."""
    error = vector_index_error(f"VECTOR_UPSERT_ERROR (code = {digits}): x")

    assert type(error) is VectorIndexUnavailable
    assert type(embedder_error(f"{digits}: x")) is EmbedderError


@given(NAMES, st.integers(0, 9999).filter(lambda number: number not in BLAMING), QUOTES, st.text())
def test_no_number_outside_of_the_allow_list_blames_a_text(
    name: str, number: int, quoted: str, sentence: str
) -> None:
    """Whatever its sentence says."""
    error = embedder_error(f"{name}{number:04}: {quoted}{sentence}")

    assert not isinstance(error, EmbedderRejected)
    assert type(error) is EMBEDDER_ERRORS.get(number, EmbedderError)


@given(
    NAMES,
    OPERATIONS,
    st.integers(0, 99_999).filter(lambda code: code not in BLAMING_CODES),
    QUOTES,
    st.text(),
)
def test_no_code_outside_of_the_allow_list_blames_a_record(
    name: str, operation: str, code: int, quoted: str, sentence: str
) -> None:
    """Whatever its sentence says."""
    error = vector_index_error(f"{name}{operation}_ERROR (code = {code}): {quoted}{sentence}")

    assert not isinstance(error, VectorIndexRejected)
    assert type(error) is VECTOR_INDEX_ERRORS.get(code, VectorIndexError)


@given(st.text())
def test_a_message_without_a_number_in_front_blames_nobody(message: str) -> None:
    """An outage has no number, and may have any words."""
    if re.match(r"\s*(\w+:\s*)*\d{4}:", message) is None:
        assert not isinstance(embedder_error(message), EmbedderRejected)
    if "_ERROR (code = " not in message:
        assert not isinstance(vector_index_error(message), VectorIndexRejected)


def test_the_allow_lists_are_what_this_file_says() -> None:
    """One number more must be a decision."""
    assert BLAMING == {n for n, kind in EMBEDDER_ERRORS.items() if kind is EmbedderRejected}
    assert BLAMING_CODES == {
        code for code, kind in VECTOR_INDEX_ERRORS.items() if kind is VectorIndexRejected
    }


def test_every_number_here_can_be_asked_of_the_local_platform() -> None:
    """In Cloudflare's words, so that what a table says can be played."""
    assert set(EMBEDDER_ERRORS) - {5021} <= set(AI_SENTENCES)
    assert set(VECTOR_INDEX_ERRORS) <= set(INDEX_SENTENCES)


def test_what_the_local_workers_ai_refuses_of_an_input_is_the_inputs_fault() -> None:
    """And a model that it does not know is not."""
    numbers = (workers_ai.INVALID_INPUT, workers_ai.CONTEXT_EXCEEDED)

    assert {EMBEDDER_ERRORS[number] for number in numbers} == {EmbedderRejected}
    assert EMBEDDER_ERRORS[workers_ai.NO_SUCH_MODEL] is EmbedderModelUnavailable


def test_what_the_local_vectorize_refuses_of_a_vector_is_the_vectors_fault() -> None:
    """Each of these breaks a rule."""
    upsert = Operation.UPSERT
    for error in (
        vector_limits.wrong_query_dimensions(768, 2),
        vector_limits.id_too_long(upsert, 65),
        vector_limits.namespace_too_long(upsert, 65),
        vector_limits.wrong_vector_dimensions(upsert, "a", 768, 2),
        vector_limits.metadata_too_large(upsert, "a", 10_241),
        vector_limits.malformed_request(upsert, "no reason"),
    ):
        assert type(vector_index_error(error.message)) is VectorIndexRejected


def test_what_the_local_vectorize_refuses_of_a_call_is_nobodys_fault() -> None:
    """A record is none the worse for a call that is too large, or an index that is full."""
    upsert = Operation.UPSERT
    for error in (
        vector_limits.too_many_ids(Operation.DELETE, 100, 101),
        vector_limits.too_many_vectors(upsert, 1001),
        vector_limits.index_full(upsert, "vectors", 1),
        vector_limits.top_k_too_large(101, with_content=False),
        vector_limits.malformed_query("no reason"),
    ):
        assert type(vector_index_error(error.message)) is VectorIndexError


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("D1_ERROR: no such table: claims: SQLITE_ERROR", MissingTable),
        ("no such table: main.claims", MissingTable),
        ("D1_ERROR: no such column: r.embedding at offset 7: SQLITE_ERROR", MissingColumn),
        ("table claims has no column named year", MissingColumn),
        ("D1_ERROR: UNIQUE constraint failed: claims.id: SQLITE_CONSTRAINT", ConstraintViolated),
        (
            "D1_ERROR: it is closed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_TRIGGER)",
            ConstraintViolated,
        ),
        # A trigger's own words, whatever they are.
        ("D1_ERROR: no such table: claims: SQLITE_CONSTRAINT", ConstraintViolated),
        ('D1_ERROR: near ": SQLITE_CONSTRAINT": syntax error: SQLITE_ERROR', DatabaseError),
        ("D1_ERROR: string or blob too big: SQLITE_TOOBIG", ValueTooLarge),
        ("D1_ERROR: statement too long: SQLITE_TOOBIG", DatabaseError),
        ("", DatabaseError),
    ],
)
def test_a_message_of_d1_is_mapped(message: str, kind: type[DatabaseError]) -> None:
    """What is missing is told from what failed."""
    assert type(database_error(message)) is kind
