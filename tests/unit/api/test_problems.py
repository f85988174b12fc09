"""The table from errors to responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cognate import errors
from cognate.api import refusals
from cognate.api.problems import PROBLEMS, TYPE_PREFIX, kind_of, problem_response
from cognate.validation import MAX_REPORTED_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator


def every_error(
    above: type[errors.CognateError] = errors.CognateError,
) -> Iterator[type[errors.CognateError]]:
    """Returns all error classes of the project."""
    yield above
    for child in above.__subclasses__():
        if child.__module__.startswith("cognate."):
            yield from every_error(child)


def example(kind: type[errors.CognateError]) -> errors.CognateError:
    """Makes an error of this class."""
    special: dict[type[errors.CognateError], tuple[Any, ...]] = {
        errors.ConfigurationError: ("SETTING", "SETTING is not set"),
        errors.NotFound: ("job", "no such job"),
        errors.InvalidInput: (errors.FieldError("/a", "must be b"),),
        errors.FieldNotWritable: (errors.FieldError("/a", "cannot be set"),),
        refusals.MethodNotAllowed: (["GET", "HEAD"],),
        refusals.PayloadTooLarge: (5,),
        refusals.UnsupportedMediaType: (),
        refusals.OriginNotAllowed: (),
        refusals.InvalidIdempotencyKey: (),
    }
    return kind(*special.get(kind, ("the message",)))


def body_of(error: Exception) -> dict[str, Any]:
    """Returns the body of the response to an error."""
    response = problem_response(error, path="/a", request_id="r1")
    body: dict[str, Any] = json.loads(response.body)
    return body


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_every_error_is_mapped(kind: type[errors.CognateError]) -> None:
    """Each error class has its own entry in the table."""
    assert kind in PROBLEMS

    response = problem_response(example(kind), path="/a%20b", request_id="r1")
    body = json.loads(response.body)

    assert response.headers["content-type"] == "application/problem+json"
    assert set(body) - {"errors"} == {
        *("type", "title", "status", "detail", "instance", "code", "layer", "requestId")
    }
    assert body["status"] == response.status == PROBLEMS[kind].status
    assert body["type"] == TYPE_PREFIX + body["code"].lower().replace("_", "-")
    assert body["instance"] == "/a%20b"
    assert body["requestId"] == "r1"
    assert body["detail"]


def test_codes_are_one_to_a_class() -> None:
    """No two error classes have the same code."""
    codes = [example(kind).code for kind in every_error()]

    assert len(set(codes)) == len(codes)
    assert all(code == code.upper() and code.replace("_", "").isalpha() for code in codes)


@pytest.mark.parametrize(
    ("error", "status", "code", "layer"),
    [
        (errors.MissingCredential("m"), 401, "CREDENTIAL_MISSING", "authentication"),
        (errors.InvalidCredential("m"), 401, "CREDENTIAL_INVALID", "authentication"),
        (errors.NoActiveOrganization("m"), 400, "NO_ACTIVE_ORGANIZATION", "firewall"),
        (errors.NotFound("record", "m"), 404, "RECORD_NOT_FOUND", "firewall"),
        (errors.NotFound("job", "m"), 404, "JOB_NOT_FOUND", "firewall"),
        (errors.NotFound("table", "m"), 404, "TABLE_NOT_FOUND", "validation"),
        (errors.NotFound("service", "m"), 404, "SERVICE_NOT_FOUND", "validation"),
        (errors.NotFound("route", "m"), 404, "ROUTE_NOT_FOUND", "validation"),
        (errors.InvalidInput(), 400, "VALIDATION_FAILED", "validation"),
        (errors.ModelMismatch("m"), 422, "MODEL_MISMATCH", "validation"),
        (errors.ConfigurationError("S", "m"), 503, "CONFIGURATION_MISSING", "platform"),
        (errors.ValueTooLarge("m"), 413, "VALUE_TOO_LARGE", "validation"),
        (errors.DatabaseError("m"), 503, "DATABASE_ERROR", "platform"),
        (errors.MissingTable("t"), 500, "TABLE_MISSING", "platform"),
        (errors.MissingColumn("c"), 500, "COLUMN_MISSING", "platform"),
        (errors.EmbedderBusy("m"), 503, "AI_CAPACITY", "platform"),
        (errors.EmbedderAllowanceUsedUp("m"), 503, "AI_ALLOWANCE_USED_UP", "platform"),
        (errors.EmbedderModelUnavailable("m"), 503, "AI_MODEL_UNAVAILABLE", "platform"),
        (errors.EmbedderAccessDenied("m"), 503, "AI_ACCESS_DENIED", "platform"),
        (errors.VectorIndexUnavailable("m"), 503, "VECTORIZE_UNAVAILABLE", "platform"),
        (errors.VectorIndexThrottled("m"), 503, "VECTORIZE_THROTTLED", "platform"),
        (refusals.OriginNotAllowed(), 403, "ORIGIN_NOT_ALLOWED", "access"),
        (refusals.MalformedJson("m"), 400, "MALFORMED_JSON", "validation"),
        (refusals.PayloadTooLarge(1), 413, "PAYLOAD_TOO_LARGE", "validation"),
        (refusals.UnsupportedMediaType(), 415, "UNSUPPORTED_MEDIA_TYPE", "validation"),
        (errors.DefinitionError("m"), 500, "DEFINITION_INVALID", "platform"),
        (KeyError("m"), 500, "INTERNAL", "platform"),
    ],
)
def test_the_contract_of_each_error(error: Exception, status: int, code: str, layer: str) -> None:
    """Status, code and layer of each error stay as they are."""
    body = body_of(error)

    assert (body["status"], body["code"], body["layer"]) == (status, code, layer)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("the secret"),
        errors.CognateError("the secret"),
        errors.DefinitionError("the secret"),
        errors.DatabaseError("the secret"),
        errors.ConstraintViolated("the secret"),
        errors.EmbedderRejected("the secret"),
        errors.VectorIndexError("the secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_messages_for_the_log_stay_there(error: Exception) -> None:
    """The message of an unexpected or a platform error is not answered."""
    assert "secret" not in json.dumps(body_of(error))


def test_a_missing_setting_is_named() -> None:
    """The answer names the setting for the operator."""
    assert body_of(errors.ConfigurationError("S", "S is not set"))["detail"] == "S is not set"


def test_validation_points_at_fields() -> None:
    """The answer has the pointer and message of each broken rule."""
    body = body_of(
        errors.InvalidInput(errors.FieldError("/a", "must be b"), errors.FieldError("?c", "d"))
    )

    assert body["errors"] == [
        {"pointer": "/a", "message": "must be b"},
        {"pointer": "?c", "message": "d"},
    ]
    assert "errors" not in body_of(errors.ModelMismatch("m"))


def test_the_number_of_told_errors_is_bounded() -> None:
    """An answer lists at most so many broken rules."""
    fields = [errors.FieldError(f"/{number}", "m") for number in range(1000)]

    assert len(body_of(errors.InvalidInput(*fields))["errors"]) == MAX_REPORTED_ERRORS


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_headers_follow_the_status(kind: type[errors.CognateError]) -> None:
    """401 has a challenge, 405 the methods, and 503 a Retry-After."""
    response = problem_response(example(kind), path="/", request_id="r")

    challenged = response.headers.get("www-authenticate")
    assert challenged == ("Bearer" if response.status == 401 else None)
    assert ("retry-after" in response.headers) is (response.status == 503)
    allowed = response.headers.get("allow")
    assert allowed == ("GET, HEAD" if response.status == 405 else None)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        # The load decreases.
        (errors.EmbedderBusy("m"), "30"),
        (errors.VectorIndexThrottled("m"), "30"),
        # An operator has to act.
        (errors.EmbedderModelUnavailable("m"), "900"),
        (errors.EmbedderAccessDenied("m"), "900"),
        # The allowance is renewed the next day.
        (errors.EmbedderAllowanceUsedUp("m"), "3600"),
    ],
)
def test_how_long_a_caller_should_wait(error: errors.CognateError, seconds: str) -> None:
    """Retry-After is about as long as the cause lasts."""
    response = problem_response(error, path="/", request_id="r")

    assert response.headers["retry-after"] == seconds


def test_a_new_child_is_answered_as_its_parent() -> None:
    """An error class without an entry is answered by its parent's."""

    class Fresh(errors.EmbedderBusy):
        """An error class without an entry."""

    assert kind_of(Fresh("m")) is PROBLEMS[errors.EmbedderBusy]


@pytest.mark.parametrize("error", [errors.MissingTable("claims"), errors.MissingColumn("claims")])
def test_what_is_not_migrated_is_named(error: errors.DatabaseError) -> None:
    """The answer says what to do and has no Retry-After."""
    response = problem_response(error, path="/a", request_id="r1")
    detail = json.loads(response.body)["detail"]

    assert "'claims': apply the migration" in detail
    assert "retry-after" not in response.headers
