"""Search by meaning in one collection of one organization.

A search takes one AI call, one Vectorize query and one D1 round trip. Vectorize proposes and D1
decides: a match counts only if D1 has the record in the caller's organization, and its score is the
exact cosine of the vector that D1 stores.
"""

from cognate.search.nearest import Match, Nearest
from cognate.search.raw_query import query_vectors
from cognate.search.similarity import (
    Classification,
    GrayZoneAnswer,
    SearchAnswer,
    SearchResult,
    embed,
    embed_all,
    embed_now,
    find_with_gray_zone,
    search,
)

__all__ = [
    "Classification",
    "GrayZoneAnswer",
    "Match",
    "Nearest",
    "SearchAnswer",
    "SearchResult",
    "embed",
    "embed_all",
    "embed_now",
    "find_with_gray_zone",
    "query_vectors",
    "search",
]
