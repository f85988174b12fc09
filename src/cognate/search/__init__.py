"""Search by meaning: what is near to a text, in one collection of one organization.

One AI call, one Vectorize query, one D1 round trip. Vectorize proposes; D1 disposes: a match counts
only when D1 has the record in the caller's organization, and its score is the exact cosine of the
vector that D1 stores.
"""

from cognate.search.nearest import Match, Nearest
from cognate.search.raw_query import query_vectors
from cognate.search.similarity import (
    GrayZoneAnswer,
    SearchAnswer,
    SearchResult,
    embed,
    embed_all,
    embed_queries,
    find_with_gray_zone,
    search,
)

__all__ = [
    "GrayZoneAnswer",
    "Match",
    "Nearest",
    "SearchAnswer",
    "SearchResult",
    "embed",
    "embed_all",
    "embed_queries",
    "find_with_gray_zone",
    "query_vectors",
    "search",
]
