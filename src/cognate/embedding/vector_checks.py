"""Check the vectors that a model answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.errors import UnusableEmbeddings

if TYPE_CHECKING:
    from cognate.models import EmbeddingModel
    from cognate.ports import Vectors


def checked(vectors: Vectors, *, count: int, model: EmbeddingModel) -> Vectors:
    """Return the vectors if their number and lengths are right and all components are finite.

    The order alone is not trusted: an answer with one vector too few would give each later text the
    vector of its neighbour.

    Raises:
        UnusableEmbeddings: a wrong count, a wrong length, or a component that is not finite.
    """
    lengths = vectors.lengths()
    if len(lengths) != count:
        message = f"{model.name} answered {len(lengths)} vectors for {count} texts"
        raise UnusableEmbeddings(message)
    wrong = {length for length in lengths if length != model.dimensions}
    if wrong:
        message = f"{model.name} answered vectors of {sorted(wrong)} instead of {model.dimensions}"
        raise UnusableEmbeddings(message)
    if not vectors.are_finite():
        message = f"{model.name} answered components that are no finite numbers"
        raise UnusableEmbeddings(message)
    return vectors
