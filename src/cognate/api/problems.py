"""Map every error to a response of `application/problem+json` (RFC 9457), by one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from cognate import errors
from cognate.api import refusals
from cognate.api.http import Response
from cognate.api.wire import AnswerModel
from cognate.errors import FieldError
from cognate.validation import MAX_REPORTED_ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping

Layer = Literal["authentication", "firewall", "access", "guards", "validation", "platform"]
"""The check that stopped a request (of its credential, organization, role, protected fields or
form), or the platform that failed."""

CONTENT_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:cognate:problem:"

INTERNAL_DETAIL: Final = "Something went wrong on our side; the request id finds it in the logs."
BUSY_DETAIL: Final = "A service that this depends on did not answer as it should; try again later."

CONSTRAINT_DETAIL: Final = "The database refuses this change: a constraint does not allow it."

REFUSED_DETAIL: Final = "The embedding model refuses this text; send another one."

WAITING_DETAIL: Final = (
    "A service that this depends on is not available to this deployment; its operator has to act."
)

VALUE_TOO_LARGE_DETAIL: Final = (
    "All values of a record together can have 2,000,000 bytes, its vectors included."
)


@dataclass(frozen=True)
class ProblemKind:
    """The response to one class of errors.

    Attributes:
        detail: replaces the message of the error, if that is not meant for callers.
        retry_after: seconds, sent as `Retry-After`.
    """

    status: int
    title: str
    layer: Layer
    detail: str | None = None
    retry_after: int | None = None


INTERNAL: Final = ProblemKind(500, "Internal error", "platform", INTERNAL_DETAIL)

_UNAUTHENTICATED: Final = ProblemKind(401, "Authentication needed", "authentication")
_FAILED: Final = ProblemKind(503, "Temporarily unavailable", "platform", BUSY_DETAIL, 5)
_OVERLOADED: Final = ProblemKind(503, "Temporarily unavailable", "platform", BUSY_DETAIL, 30)
_NOT_MIGRATED: Final = ProblemKind(500, "The database is not migrated", "platform")
_USELESS: Final = ProblemKind(503, "Temporarily unavailable", "platform", BUSY_DETAIL, 60)
_WAITING: Final = ProblemKind(503, "Temporarily unavailable", "platform", WAITING_DETAIL, 900)

PROBLEMS: Final[Mapping[type[errors.CognateError], ProblemKind]] = MappingProxyType(
    {
        errors.CognateError: INTERNAL,
        errors.DefinitionError: INTERNAL,
        # The message names the setting, never its value, so that the operator can read it here.
        errors.ConfigurationError: ProblemKind(
            503, "The deployment is not configured", "platform", None, 60
        ),
        errors.AuthenticationError: _UNAUTHENTICATED,
        errors.MissingCredential: _UNAUTHENTICATED,
        errors.InvalidCredential: _UNAUTHENTICATED,
        errors.NoActiveOrganization: ProblemKind(400, "No active organization", "firewall"),
        errors.NotFound: ProblemKind(404, "Not found", "firewall"),
        errors.AccessDenied: ProblemKind(403, "Not allowed", "access"),
        errors.InvalidInput: ProblemKind(
            400,
            "The request breaks a rule",
            "validation",
            "One or more values are not as they must be; see errors.",
        ),
        errors.FieldNotWritable: ProblemKind(
            422,
            "A field cannot be set",
            "guards",
            "One or more fields cannot be set by a caller; see errors.",
        ),
        errors.Conflict: ProblemKind(409, "Conflict", "validation"),
        errors.RecordExists: ProblemKind(409, "The record exists", "validation"),
        errors.WriteContended: ProblemKind(409, "Changed by others", "validation"),
        errors.PreconditionFailed: ProblemKind(412, "Precondition failed", "validation"),
        errors.NotAttempted: ProblemKind(424, "Not attempted", "validation"),
        errors.ModelMismatch: ProblemKind(422, "Another model than the table's", "validation"),
        errors.NotEmbedded: ProblemKind(409, "Not embedded yet", "validation"),
        errors.TextTooLong: ProblemKind(422, "The text is too long", "validation"),
        errors.MetadataTooLarge: ProblemKind(422, "The metadata is too large", "validation"),
        errors.IdempotencyKeyReused: ProblemKind(409, "Idempotency key reused", "validation"),
        errors.JobNotFailed: ProblemKind(409, "The job has not failed", "validation"),
        errors.BackfillRunning: ProblemKind(409, "A backfill is running", "validation"),
        refusals.Refusal: ProblemKind(400, "Refused", "validation"),
        refusals.MethodNotAllowed: ProblemKind(405, "Method not allowed", "validation"),
        refusals.UnsupportedMediaType: ProblemKind(415, "Unsupported media type", "validation"),
        refusals.PayloadTooLarge: ProblemKind(413, "Payload too large", "validation"),
        refusals.MalformedJson: ProblemKind(400, "Malformed JSON", "validation"),
        refusals.InvalidIdempotencyKey: ProblemKind(400, "Malformed idempotency key", "validation"),
        refusals.OriginNotAllowed: ProblemKind(403, "Origin not allowed", "access"),
        errors.PlatformError: _FAILED,
        errors.DatabaseError: _FAILED,
        errors.ValueTooLarge: ProblemKind(
            413, "Too large to be stored", "validation", VALUE_TOO_LARGE_DETAIL
        ),
        errors.ConstraintViolated: ProblemKind(409, "Conflict", "validation", CONSTRAINT_DETAIL),
        # Waiting does not help, so there is no `Retry-After`.
        errors.MissingTable: _NOT_MIGRATED,
        errors.MissingColumn: _NOT_MIGRATED,
        errors.QueueError: _FAILED,
        errors.EmbedderError: _FAILED,
        errors.EmbedderBusy: _OVERLOADED,
        errors.EmbedderTimeout: _FAILED,
        # The allowance is renewed at midnight in UTC.
        errors.EmbedderAllowanceUsedUp: replace(_WAITING, retry_after=3600),
        errors.EmbedderModelUnavailable: _WAITING,
        errors.EmbedderAccessDenied: _WAITING,
        errors.EmbedderRejected: ProblemKind(
            422, "The text cannot be embedded", "validation", REFUSED_DETAIL
        ),
        errors.UnusableEmbeddings: _FAILED,
        errors.UnembeddableText: _FAILED,
        errors.VectorIndexError: _FAILED,
        errors.VectorIndexUnavailable: _OVERLOADED,
        errors.VectorIndexThrottled: _OVERLOADED,
        errors.VectorIndexRejected: _USELESS,
    }
)


class Problem(AnswerModel):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    layer: Layer
    request_id: str
    errors: Annotated[
        Sequence[FieldError] | None, Field(exclude_if=lambda value: value is None)
    ] = None


def kind_of(error: Exception) -> ProblemKind:
    """Find the nearest class of an error that the table has."""
    for ancestor in type(error).__mro__:
        if ancestor in PROBLEMS:
            return PROBLEMS[ancestor]
    return INTERNAL


def code_of(error: Exception) -> str:
    """Return the stable code of an error."""
    return error.code if isinstance(error, errors.CognateError) else errors.CognateError.code


def problem_response(error: Exception, *, path: str, request_id: str) -> Response:
    """Return the response to an error. It tells nothing about an unexpected error."""
    kind = kind_of(error)
    problem = problem_of(error, path=path, request_id=request_id)
    headers = {"content-type": CONTENT_TYPE, **_headers(error, kind)}
    return Response(kind.status, headers, problem.model_dump_json().encode())


def problem_of(error: Exception, *, path: str, request_id: str) -> Problem:
    """Return the body of an error response, which is also the `error` of one item of a batch."""
    kind, code = kind_of(error), code_of(error)
    return Problem(
        type=TYPE_PREFIX + code.lower().replace("_", "-"),
        title=kind.title,
        status=kind.status,
        detail=kind.detail or str(error),
        instance=path,
        code=code,
        layer=_layer(error, kind),
        request_id=request_id,
        errors=_fields(error),
    )


def _layer(error: Exception, kind: ProblemKind) -> Layer:
    # Paths, tables and services are the same for everyone. Records and jobs are an organization's.
    if isinstance(error, errors.NotFound) and error.what in {"route", "table", "service"}:
        return "validation"
    return kind.layer


def _fields(error: Exception) -> Sequence[FieldError] | None:
    if not isinstance(error, errors.InvalidInput):
        return None
    return error.fields[:MAX_REPORTED_ERRORS]


def _headers(error: Exception, kind: ProblemKind) -> dict[str, str]:
    headers: dict[str, str] = {}
    if kind.status == 401:  # noqa: PLR2004 - the status itself
        headers["www-authenticate"] = "Bearer"
    if kind.retry_after is not None:
        headers["retry-after"] = str(kind.retry_after)
    if isinstance(error, refusals.MethodNotAllowed):
        headers["allow"] = ", ".join(error.allowed)
    return headers
