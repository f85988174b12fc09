"""All errors that Cognate raises on purpose.

They do not know HTTP; `cognate.api.problems` converts them to responses. A message is for the
person who can mend the cause. It never contains document text, credentials or data of another
organization.

    CognateError
    ├── DefinitionError              a definition in schema.py contradicts itself
    ├── ConfigurationError           a setting or binding of the deployment is missing
    ├── AuthenticationError
    │   ├── MissingCredential
    │   └── InvalidCredential        unknown, expired, forged, or its user is banned
    ├── NoActiveOrganization         the session has no organization to act for
    ├── NotFound                     the caller's organization has nothing of this name or id
    ├── AccessDenied                 the caller's roles, or the owner of the record, forbid it
    ├── InvalidInput                 the request's content breaks a rule
    │   └── FieldNotWritable         it sets a field that no caller may set
    ├── Conflict                     the record conflicts with other rows of the database
    │   ├── RecordExists
    │   └── WriteContended           others kept changing the record
    ├── PreconditionFailed           the record is not in the state that the caller has seen
    ├── NotAttempted                 an earlier operation of the batch failed
    ├── ModelMismatch                the request names another model than the table's
    ├── TextTooLong                  a record's text has more chunks than its row can hold
    ├── MetadataTooLarge             a record's metadata is larger than a vector can carry
    ├── IdempotencyKeyReused         an earlier request with this key asked for something else
    ├── JobNotFailed                 only failed jobs can be retried by hand
    ├── BackfillRunning              another backfill of the table has not ended
    ├── NotEmbedded                  the record has no vector to compare with
    └── PlatformError                Cloudflare, or its local stand-in, failed
        ├── DatabaseError
        │   ├── ConstraintViolated   a row breaks a constraint, or a trigger raised
        │   ├── ValueTooLarge        a value or a row of over 2,000,000 bytes
        │   ├── MissingTable         a migration was not applied
        │   └── MissingColumn        a migration was not applied
        ├── QueueError
        ├── EmbedderError
        │   ├── EmbedderBusy              out of capacity, or rate-limited
        │   ├── EmbedderTimeout
        │   ├── EmbedderAllowanceUsedUp   the account's allowance for the day is spent
        │   ├── EmbedderModelUnavailable  the model was retired, or never existed
        │   ├── EmbedderAccessDenied      the account may not use the model
        │   ├── EmbedderRejected          the input was refused; the same call fails again
        │   └── UnusableEmbeddings        wrong count, wrong dimension, or not numbers
        │       └── UnembeddableText      for this text only; the model answers another one well
        └── VectorIndexError
            ├── VectorIndexUnavailable
            ├── VectorIndexThrottled      too many calls
            └── VectorIndexRejected       a vector, id, metadata or filter broke a rule
"""

from __future__ import annotations

from dataclasses import dataclass


class CognateError(Exception):
    """The base of all these errors. A `code` never changes and is safe to show."""

    code: str = "INTERNAL"


class DefinitionError(CognateError):
    """A definition in `schema.py` is wrong. The message says what to change."""

    code = "DEFINITION_INVALID"


class ConfigurationError(CognateError):
    """A setting or binding of the deployment is missing or unusable.

    Attributes:
        setting: its name in `wrangler.toml` or `wrangler secret put`.
    """

    code = "CONFIGURATION_MISSING"

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


class AuthenticationError(CognateError):
    """The caller did not prove who they are."""

    code = "UNAUTHENTICATED"


class MissingCredential(AuthenticationError):
    """The request has no session cookie and no authorization header."""

    code = "CREDENTIAL_MISSING"


class InvalidCredential(AuthenticationError):
    """The credential is unknown, expired or forged, or its user is banned.

    The message is the same for all of these, so a caller learns nothing about other sessions.
    """

    code = "CREDENTIAL_INVALID"


class NoActiveOrganization(CognateError):
    """The session has no active organization of which its user is a member."""

    code = "NO_ACTIVE_ORGANIZATION"


class NotFound(CognateError):
    """The caller's organization has nothing of this name or id.

    The message is the same whether the thing never existed or belongs to another organization.

    Attributes:
        what: `record`, `job`, `text`, `backfill`, `table`, `service` or `route`.
    """

    code = "NOT_FOUND"

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what
        self.code = f"{what.upper()}_NOT_FOUND"


@dataclass(frozen=True)
class FieldError:
    """One broken rule.

    Attributes:
        pointer: a JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
        message: the end of a sentence that starts with the field.
    """

    pointer: str
    message: str


class InvalidInput(CognateError):
    """The request's content breaks rules. `fields` names each of them."""

    code = "VALIDATION_FAILED"

    def __init__(self, *fields: FieldError) -> None:
        super().__init__("; ".join(f"{field.pointer}: {field.message}" for field in fields))
        self.fields = fields


class FieldNotWritable(InvalidInput):
    """The request sets fields that callers may not set. `fields` names each of them."""

    code = "FIELD_NOT_WRITABLE"


class AccessDenied(CognateError):
    """The caller's roles do not allow the operation, or the record belongs to another user."""

    code = "ACCESS_DENIED"


class Conflict(CognateError):
    """A record conflicts with other rows of the database, for example by a unique value."""

    code = "CONFLICT"


class RecordExists(Conflict):
    """The id is taken by a record of the organization, or by one that was deleted softly."""

    code = "RECORD_EXISTS"


class WriteContended(Conflict):
    """Others changed the record again before each attempt to write it. A retry may help."""

    code = "WRITE_CONTENDED"


class PreconditionFailed(CognateError):
    """The record has changed since the state that `If-Match` names."""

    code = "PRECONDITION_FAILED"


class NotAttempted(CognateError):
    """The operation was left out because an earlier one of its batch had failed."""

    code = "NOT_ATTEMPTED"


class ModelMismatch(CognateError):
    """The request names another model than the table's, whose vectors cannot be compared."""

    code = "MODEL_MISMATCH"


class NotEmbedded(CognateError):
    """The record exists, but has no vector of the table's model yet."""

    code = "RECORD_NOT_EMBEDDED"


class TextTooLong(CognateError):
    """A record that was written by SQL has a text that is too long to embed."""

    code = "TEXT_TOO_LONG"


class MetadataTooLarge(CognateError):
    """A record that was written by SQL has more metadata than a vector can carry."""

    code = "METADATA_TOO_LARGE"


class IdempotencyKeyReused(CognateError):
    """An earlier request with this `Idempotency-Key` asked for something else."""

    code = "IDEMPOTENCY_KEY_REUSED"


class JobNotFailed(CognateError):
    """The job cannot be retried or dismissed: it has not failed, or has no record."""

    code = "JOB_NOT_FAILED"


class BackfillRunning(CognateError):
    """A backfill of the table with other options has not ended yet."""

    code = "BACKFILL_RUNNING"


class PlatformError(CognateError):
    """Cloudflare, or its local stand-in, failed. The message is for logs, not for callers.

    Attributes:
        number: the platform's number of the error; None if its message has none.
    """

    code = "PLATFORM_ERROR"
    number: int | None = None


class DatabaseError(PlatformError):
    """D1 could not run a batch. Nothing of the batch was written."""

    code = "DATABASE_ERROR"


class ConstraintViolated(DatabaseError):
    """A row breaks a constraint, or a trigger raised an error. The same write fails again."""

    code = "CONSTRAINT_VIOLATED"


class ValueTooLarge(DatabaseError):
    """A value or a row is larger than D1 takes. The same write fails again."""

    code = "VALUE_TOO_LARGE"


class MissingTable(DatabaseError):
    """The database lacks a table, because a migration was not applied. The message is for callers.

    Attributes:
        table: its name.
    """

    code = "TABLE_MISSING"

    def __init__(self, table: str) -> None:
        super().__init__(f"The database has no table {table!r}: apply the migration that makes it.")
        self.table = table


class MissingColumn(DatabaseError):
    """The database lacks a column, because a migration was not applied. The message is for callers.

    Attributes:
        column: its name in the statement.
    """

    code = "COLUMN_MISSING"

    def __init__(self, column: str) -> None:
        super().__init__(
            f"The database has no column {column!r}: apply the migration that adds it."
        )
        self.column = column


class QueueError(PlatformError):
    """The queue did not take the messages."""

    code = "QUEUE_ERROR"


class EmbedderError(PlatformError):
    """Workers AI failed in a way that no other class describes."""

    code = "AI_ERROR"


class EmbedderBusy(EmbedderError):
    """The model is out of capacity (3040), or the account makes too many calls (429)."""

    code = "AI_CAPACITY"


class EmbedderTimeout(EmbedderError):
    """Workers AI did not answer in time (3007)."""

    code = "AI_TIMEOUT"


class EmbedderAllowanceUsedUp(EmbedderError):
    """The account has used up its allowance (4006, documented as 3036)."""

    code = "AI_ALLOWANCE_USED_UP"


class EmbedderModelUnavailable(EmbedderError):
    """Workers AI has no such model (5007, 3042). It was retired, or its name is wrong."""

    code = "AI_MODEL_UNAVAILABLE"


class EmbedderAccessDenied(EmbedderError):
    """The account may not use Workers AI or the model (3023, 3041, 5016, 5018, 5035)."""

    code = "AI_ACCESS_DENIED"


class EmbedderRejected(EmbedderError):
    """The input was refused (3006, 5004, 5006, 5021). The same call fails again."""

    code = "AI_INPUT_REJECTED"


class UnusableEmbeddings(EmbedderError):
    """The answer has a wrong number of vectors, a wrong dimension, or no numbers in it."""

    code = "AI_ANSWER_UNUSABLE"


class UnembeddableText(UnusableEmbeddings):
    """The answer to this text is unusable, while the model answers another text well."""

    code = "AI_TEXT_UNUSABLE"


class VectorIndexError(PlatformError):
    """Vectorize failed in a way that no other class describes."""

    code = "VECTORIZE_ERROR"


class VectorIndexUnavailable(VectorIndexError):
    """Vectorize cannot be reached."""

    code = "VECTORIZE_UNAVAILABLE"


class VectorIndexThrottled(VectorIndexError):
    """Vectorize got too many calls (40041)."""

    code = "VECTORIZE_THROTTLED"


class VectorIndexRejected(VectorIndexError):
    """A vector, id, metadata or filter breaks a rule of Vectorize. The same call fails again."""

    code = "VECTORIZE_REJECTED"
