"""The errors of Workers AI and Vectorize by number, in Cloudflare's words.

The sentences of Workers AI are from Cloudflare's page of errors, or from reports of users if a line
says *seen*. If a line says *unknown*, no sentence is published, and the words are ours.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from local.ai.local_workers_ai import ai_error
from local.vectorize.limits import Operation, vectorize_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.failures import BindingError

_ALLOWANCE: Final = (
    "ou have used up your daily free allocation of 10,000 neurons, please upgrade to Cloudflare's "
    "Workers Paid plan if you would like to continue usage."
)

AI_SENTENCES: Final[Mapping[int, str]] = MappingProxyType(
    {
        3006: "Request is too large",
        3007: "Request timeout",
        3023: "Service unavailable for account",
        3036: f"Y{_ALLOWANCE}",
        3040: "Capacity temporarily exceeded, please try again.",  # seen
        3041: "The account is not allowed to access this model",
        3042: "The model name is invalid",
        3043: "Internal server error",  # seen
        3046: "Request failed",  # unknown
        4006: f"y{_ALLOWANCE}",  # seen: what 3036 reads like
        5004: "Invalid data type for base64 input: text",
        5006: "Error: oneOf at '/' not met, 0 matches: Length of '/text' must be >= 1",  # seen
        5007: "No such model or task",
        5016: "User has not agreed to the model terms",
        5018: "The account is not allowed to access this model",
        5035: "The model cannot be used by this account",  # unknown
    }
)
"""The text after the number in a message of Workers AI."""

INDEX_SENTENCES: Final[Mapping[int, str]] = MappingProxyType(
    {
        40006: "invalid query vector, expected 768 dimensions, and got 2 dimensions",
        40007: "too many ids in payload; max id count is 100, got 101",
        40008: "id too long; max is 64 bytes, got 65 bytes",
        40012: 'invalid vector for id="a", expected 768 dimensions, and got 2 dimensions',
        40016: 'oversized metadata for vector id="a"; the compact JSON representation of the '
        "metadata must not exceed 10240 bytes, got 10241 bytes",
        40023: "failed to parse vectors request",
        40041: "Too Many Requests",  # seen
        50000: "internal error",  # unknown
    }
)
"""The text after the code in a message of Vectorize."""

_OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "describe": Operation.DESCRIBE,
        "query": Operation.QUERY,
        "queryById": Operation.QUERY,
        "insert": Operation.INSERT,
        "upsert": Operation.UPSERT,
        "getByIds": Operation.GET,
        "deleteByIds": Operation.DELETE,
    }
)


def cloudflare_error(method: str, number: int) -> BindingError | None:
    """The error of this number, with which the method rejects; None if the number is unknown.

    Args:
        method: `run` of Workers AI, or a method of Vectorize.
        number: such as 3040 or 40041.
    """
    if method == "run":
        sentence = AI_SENTENCES.get(number)
        return None if sentence is None else ai_error(number, sentence)
    sentence, operation = INDEX_SENTENCES.get(number), _OPERATIONS.get(method)
    if sentence is None or operation is None:
        return None
    return vectorize_error(operation, number, sentence)
