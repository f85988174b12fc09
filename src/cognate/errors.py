"""Every error that Cognate raises on purpose.

They say what happened in the words of the domain and know nothing of HTTP: `cognate.api.problems`
is the one table that turns them into responses. A message is written for the person who can mend
the cause; it never holds document text, credentials or another organization's data.

    CognateError
    ├── DefinitionError              a definition in schema.py contradicts itself
    ├── ConfigurationError           a setting or binding of the deployment is missing
    ├── AuthenticationError
    │   ├── MissingCredential
    │   └── InvalidCredential        unknown, expired, forged, or its user is banned
    ├── NoActiveOrganization         a valid session that has no organization to act for
    ├── NotFound                     nothing of that name or id in the caller's organization
    ├── AccessDenied                 not with these roles, or not with somebody else's record
    ├── InvalidInput                 the request's content breaks a rule
    │   └── FieldNotWritable         it sets a field that no caller may set
    ├── Conflict                     the database refuses the record beside what it has
    │   ├── RecordExists
    │   └── WriteContended           others kept changing it
    ├── PreconditionFailed           the record is not in the state that the caller has seen
    ├── NotAttempted                 an earlier operation of the batch failed
    ├── ModelMismatch                a model that is not the one of the table
    ├── TextTooLong                  a record's text has more chunks than its row can hold
    ├── MetadataTooLarge             a record's metadata is more than a vector can carry
    ├── IdempotencyKeyReused         another request was sent under this key
    ├── JobNotFailed                 only failed jobs are tried again by hand
    ├── BackfillRunning              another walk over the table has not ended
    ├── NotEmbedded                  a record that has no vector to compare by
    └── PlatformError                Cloudflare (or its stand-in) failed
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
        │   ├── EmbedderRejected          the input was refused: the same call fails again
        │   └── UnusableEmbeddings        wrong count, wrong dimension, or not numbers
        │       └── UnembeddableText      of this text only: the model answers another one well
        └── VectorIndexError
            ├── VectorIndexUnavailable
            ├── VectorIndexThrottled      too many calls
            └── VectorIndexRejected       a vector, id, metadata or filter broke a rule
"""

from __future__ import annotations

from dataclasses import dataclass


class CognateError(Exception):
    """Base of every error raised on purpose; `code` is stable and safe to show."""

    code: str = "INTERNAL"


class DefinitionError(CognateError):
    """A definition in `schema.py` is wrong; the message says what to change."""

    code = "DEFINITION_INVALID"


class ConfigurationError(CognateError):
    """A setting or binding of the deployment is missing or unusable.

    Attributes:
        setting: its name, as it stands in `wrangler.toml` or `wrangler secret put`.
    """

    code = "CONFIGURATION_MISSING"

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


class AuthenticationError(CognateError):
    """The caller did not prove who they are."""

    code = "UNAUTHENTICATED"


class MissingCredential(AuthenticationError):
    """No cookie and no authorization header."""

    code = "CREDENTIAL_MISSING"


class InvalidCredential(AuthenticationError):
    """A credential that is unknown, expired, forged, or whose user is banned.

    One message for all of these: a caller learns nothing about sessions that are not theirs.
    """

    code = "CREDENTIAL_INVALID"


class NoActiveOrganization(CognateError):
    """A valid session without an active organization of which its user is a member."""

    code = "NO_ACTIVE_ORGANIZATION"


class NotFound(CognateError):
    """Nothing of this name or id exists *in the caller's organization*.

    The message is the same for what never existed and for what belongs to someone else.

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
    """One broken rule: `pointer` is a JSON pointer (RFC 6901) into the body, or `?name`."""

    pointer: str
    message: str


class InvalidInput(CognateError):
    """The request's content breaks one or more rules, all of them named in `fields`."""

    code = "VALIDATION_FAILED"

    def __init__(self, *fields: FieldError) -> None:
        super().__init__("; ".join(f"{field.pointer}: {field.message}" for field in fields))
        self.fields = fields


class FieldNotWritable(InvalidInput):
    """The request sets fields that callers may not set, all of them named in `fields`."""

    code = "FIELD_NOT_WRITABLE"


class AccessDenied(CognateError):
    """The caller's roles do not allow it, or the record is somebody else's."""

    code = "ACCESS_DENIED"


class Conflict(CognateError):
    """A record cannot be written beside what the database has, such as an equal unique value."""

    code = "CONFLICT"


class RecordExists(Conflict):
    """The organization has a record of this id, or had one that leaves its id taken."""

    code = "RECORD_EXISTS"


class WriteContended(Conflict):
    """Others changed the record each time before it could be written; trying again may help."""

    code = "WRITE_CONTENDED"


class PreconditionFailed(CognateError):
    """The record is not in a state that `If-Match` names: somebody has changed it."""

    code = "PRECONDITION_FAILED"


class NotAttempted(CognateError):
    """An operation of a batch that was left out because an earlier one had failed."""

    code = "NOT_ATTEMPTED"


class ModelMismatch(CognateError):
    """The request names a model that is not the table's: their vectors cannot be compared."""

    code = "MODEL_MISMATCH"


class NotEmbedded(CognateError):
    """The record is there, but has no vector of the table's model yet."""

    code = "RECORD_NOT_EMBEDDED"


class TextTooLong(CognateError):
    """A record written behind the API whose text is longer than can be embedded."""

    code = "TEXT_TOO_LONG"


class MetadataTooLarge(CognateError):
    """A record written behind the API whose metadata is more than a vector can carry."""

    code = "METADATA_TOO_LARGE"


class IdempotencyKeyReused(CognateError):
    """An `Idempotency-Key` that an earlier request used to ask for something else."""

    code = "IDEMPOTENCY_KEY_REUSED"


class JobNotFailed(CognateError):
    """A job that cannot be tried again or dismissed: it has not failed, or has no record."""

    code = "JOB_NOT_FAILED"


class BackfillRunning(CognateError):
    """A backfill of the table with other options has not ended yet."""

    code = "BACKFILL_RUNNING"


class PlatformError(CognateError):
    """Cloudflare, or what stands in for it, failed. The message is for logs, not for callers.

    Attributes:
        number: the platform's own number of the error, where its message has one.
    """

    code = "PLATFORM_ERROR"
    number: int | None = None


class DatabaseError(PlatformError):
    """D1 could not run a batch; nothing of the batch was written."""

    code = "DATABASE_ERROR"


class ConstraintViolated(DatabaseError):
    """A row breaks a constraint, or a trigger raised: the same write fails again."""

    code = "CONSTRAINT_VIOLATED"


class ValueTooLarge(DatabaseError):
    """A value or a row is larger than D1 takes: the same write fails again."""

    code = "VALUE_TOO_LARGE"


class MissingTable(DatabaseError):
    """The database lacks a table: its migration was not applied. The message is for callers.

    Attributes:
        table: its name.
    """

    code = "TABLE_MISSING"

    def __init__(self, table: str) -> None:
        super().__init__(f"The database has no table {table!r}: apply the migration that makes it.")
        self.table = table


class MissingColumn(DatabaseError):
    """The database lacks a column: its migration was not applied. The message is for callers.

    Attributes:
        column: its name, as the statement has it.
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
    """Workers AI failed in a way that has no name of its own."""

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
    """Workers AI has no such model (5007, 3042): it was retired, or its name is wrong."""

    code = "AI_MODEL_UNAVAILABLE"


class EmbedderAccessDenied(EmbedderError):
    """The account may not use Workers AI or the model (3023, 3041, 5016, 5018, 5035)."""

    code = "AI_ACCESS_DENIED"


class EmbedderRejected(EmbedderError):
    """The input was refused (3006, 5004, 5006, 5021): the same call fails again."""

    code = "AI_INPUT_REJECTED"


class UnusableEmbeddings(EmbedderError):
    """The answer has the wrong number of vectors, a wrong dimension, or holds no numbers."""

    code = "AI_ANSWER_UNUSABLE"


class UnembeddableText(UnusableEmbeddings):
    """The answer to this text is unusable, while the model answers another text well."""

    code = "AI_TEXT_UNUSABLE"


class VectorIndexError(PlatformError):
    """Vectorize failed in a way that has no name of its own."""

    code = "VECTORIZE_ERROR"


class VectorIndexUnavailable(VectorIndexError):
    """Vectorize is out of reach."""

    code = "VECTORIZE_UNAVAILABLE"


class VectorIndexThrottled(VectorIndexError):
    """Vectorize got too many calls (40041)."""

    code = "VECTORIZE_THROTTLED"


class VectorIndexRejected(VectorIndexError):
    """A vector, id, metadata or filter broke a rule of Vectorize: the same call fails again."""

    code = "VECTORIZE_REJECTED"
