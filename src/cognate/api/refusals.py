"""HTTP protocol errors: wrong method, bad content type, body too large and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.errors import CognateError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Refusal(CognateError):
    """A request that is refused for its form, before the core is called."""

    code = "REQUEST_REFUSED"


class MethodNotAllowed(Refusal):
    """The path does not have this method.

    Attributes:
        allowed: the methods that it has.
    """

    code = "METHOD_NOT_ALLOWED"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"This path answers to {', '.join(allowed)} only.")
        self.allowed = tuple(allowed)


class UnsupportedMediaType(Refusal):
    """The body is not declared as JSON in UTF-8."""

    code = "UNSUPPORTED_MEDIA_TYPE"

    def __init__(self) -> None:
        super().__init__("Send JSON in UTF-8, with the header `content-type: application/json`.")


class PayloadTooLarge(Refusal):
    """The body is longer than the limit.

    Attributes:
        limit: in bytes.
    """

    code = "PAYLOAD_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is longer than {limit:,} bytes; send less at a time.")
        self.limit = limit


class MalformedJson(Refusal):
    """The body is not JSON, or JSON that two parsers may read differently."""

    code = "MALFORMED_JSON"


class InvalidIdempotencyKey(Refusal):
    """The header `Idempotency-Key` has a value that cannot be a key."""

    code = "IDEMPOTENCY_KEY_INVALID"

    def __init__(self) -> None:
        super().__init__("Idempotency-Key must be 1 to 255 visible ASCII characters.")


class OriginNotAllowed(Refusal):
    """A page that is not a known frontend sent a request with the cookie of its visitor."""

    code = "ORIGIN_NOT_ALLOWED"

    def __init__(self) -> None:
        message = (
            "This origin may not act with a session's cookie; "
            "add it to ALLOWED_ORIGINS, or send `Authorization: Bearer`."
        )
        super().__init__(message)
