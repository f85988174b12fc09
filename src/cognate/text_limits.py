"""Limits of what can be embedded, judged by the same functions at the door and before embedding.

A text that is accepted can be embedded: its characters, its chunks and its metadata are within what
a row of D1 and a vector of Vectorize hold. Each function answers what is wrong as the end of a
sentence whose subject is the field, or None. No answer repeats the text.
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
"""Characters of one text that is embedded: about 25,000 tokens of English, or 80 chunks. A consumer
holds the texts of five such records at once (`cognate.embedding.waves`)."""

MAX_CHUNKS: Final = 200
"""Vectors of one record: at 1,024 dimensions 0.8 MB, so that a row with its text fits D1's 2 MB."""

MAX_METADATA_BYTES: Final = 10_240
"""Metadata of one vector, as JSON in UTF-8: Vectorize's error 40016."""

BYTES_OF_A_CHUNK: Final = 6
"""A chunk covers at least `max_tokens / 6` bytes of UTF-8 that no chunk before it covers.

It moves on by at least 35 % of its tokens (it ends in the second half of its room, and repeats at
most 15 % of it), and a byte is estimated at 1.65 tokens at most."""

UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""Characters that no text in D1 can hold: NUL, and half of a surrogate pair."""


def text_problem(text: str, model: EmbeddingModel) -> str | None:
    """What keeps a text from being stored and embedded by a model; None if nothing does.

    The text is chunked only where its length says that it may have too many chunks.
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
    """What is wrong with the number of characters; None if nothing is."""
    if len(text) <= MAX_TEXT_CHARACTERS:
        return None
    return f"must have at most {MAX_TEXT_CHARACTERS:,} characters; split it into several"


def chunks_problem(chunks: int, model: EmbeddingModel) -> str | None:
    """What is wrong with the number of chunks; None if nothing is."""
    if chunks <= MAX_CHUNKS:
        return None
    return (
        f"must come to at most {MAX_CHUNKS} chunks of {model.max_tokens} tokens, and comes to "
        f"{chunks}; split it into several"
    )


def metadata_problem(metadata: Mapping[str, Scalar]) -> str | None:
    """What is wrong with the metadata of a vector, all of it; None if nothing is."""
    size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    if size <= MAX_METADATA_BYTES:
        return None
    return (
        f"must come to at most {MAX_METADATA_BYTES:,} bytes of metadata for Vectorize, and comes "
        f"to {size:,}; shorten it"
    )
