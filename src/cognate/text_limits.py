"""Limits of texts and metadata. A request and the consumer check them by the same functions.

So a text that was accepted can be embedded. Its chunks fit into a row of D1, and its metadata fits
to a vector of Vectorize. A function that finds a problem returns the end of a sentence that starts
with the field. The sentence never repeats the text.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from cognate.chunking import chunk
from cognate.validation import refuse_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognate.models import EmbeddingModel
    from cognate.ports import Scalar

MAX_TEXT_CHARACTERS: Final = 100_000
"""Characters of one text: about 25,000 tokens of English, or 80 chunks. The consumer holds
the texts of five such records at once (`cognate.embedding.platform_calls`)."""

MAX_CHUNKS: Final = 200
"""Vectors of one record: 0.8 MB at 1,024 dimensions, so a row with its text fits into D1's 2 MB."""

MAX_METADATA_BYTES: Final = 10_240
"""Bytes of the metadata of one vector, as JSON in UTF-8 (error 40016 of Vectorize)."""

BYTES_OF_A_CHUNK: Final = 6
"""Each chunk covers at least `max_tokens / 6` bytes of UTF-8 that no earlier chunk covers.

At least 35 % of its tokens are new: it ends in the second half of its room and repeats at most 15 %
of it. A byte is estimated at 1.65 tokens at most."""

UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""Characters that D1 cannot store in a text: NUL, and half of a surrogate pair."""


def text_problem(text: str, model: EmbeddingModel) -> str | None:
    """The reason why a text cannot be stored and embedded by a model; None if it can.

    The text is cut into chunks only if its length allows too many of them.
    """
    if UNSTORABLE.search(text):
        return "must have no NUL and no half characters"
    problem = length_problem(text)
    if problem is None and len(text.encode()) > MAX_CHUNKS * model.max_tokens // BYTES_OF_A_CHUNK:
        problem = chunks_problem(len(chunk(text, model.max_tokens)), model)
    return problem


def require_text(text: str, pointer: str = "") -> str:
    """Return the text if it is not blank, not too long, and D1 can store it.

    Raises:
        PydanticCustomError: otherwise, with the pointer to the text. Call it from a validator.
    """
    if UNSTORABLE.search(text):
        refuse_field(pointer, "must have no NUL and no half characters")
    problem = length_problem(text)
    if problem is not None:
        refuse_field(pointer, problem)
    if not text.strip():
        refuse_field(pointer, "must hold some text, not only white space")
    return text


def length_problem(text: str) -> str | None:
    """The problem with the number of characters; None if there is none."""
    if len(text) <= MAX_TEXT_CHARACTERS:
        return None
    return f"must have at most {MAX_TEXT_CHARACTERS:,} characters; split it into several"


def chunks_problem(chunks: int, model: EmbeddingModel) -> str | None:
    """The problem with the number of chunks; None if there is none."""
    if chunks <= MAX_CHUNKS:
        return None
    return (
        f"must come to at most {MAX_CHUNKS} chunks of {model.max_tokens} tokens, and comes to "
        f"{chunks}; split it into several"
    )


def metadata_problem(metadata: Mapping[str, Scalar]) -> str | None:
    """The problem with the size of a vector's metadata; None if there is none."""
    size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    if size <= MAX_METADATA_BYTES:
        return None
    return (
        f"must come to at most {MAX_METADATA_BYTES:,} bytes of metadata for Vectorize, and comes "
        f"to {size:,}; shorten it"
    )
