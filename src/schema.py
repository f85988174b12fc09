"""The one file to edit: your tables, how they are embedded, and your similarity services.

Each table here needs its SQL table in `migrations/`. The two below show the range: short claims
that are checked against each other, and long articles that are found by topic and filtered by
their metadata.
"""

from cognate import Access, Cognate, Embeddings, GrayZone, Record, Similarity, Table, Thresholds


class Claim(Record):
    """One statement that somebody made about a story."""

    content: str
    story_id: str | None = None


class Article(Record):
    """A longer text with a title."""

    title: str
    body: str
    section: str | None = None
    year: int | None = None


claims = Table(
    "claims",
    Claim,
    id_prefix="claim",
    embeddings=Embeddings(
        fields=["content"],
        on_update=["content"],
        metadata=["story_id"],
    ),
)

articles = Table(
    "articles",
    Article,
    id_prefix="article",
    access=Access(delete="admin+"),
    embeddings=Embeddings(
        fields=["title", "body"],
        # A long text has many vectors. The small model costs a third and halves the storage.
        model="@cf/baai/bge-small-en-v1.5",
        separator="\n\n",
        metadata=["section", "year"],
    ),
)

claim_similarity = Similarity(
    "claimSimilarity",
    claims,
    thresholds=Thresholds(duplicate=0.90, confirms=0.85, related=0.75),
    gray_zone=GrayZone(min=0.60, max=0.85),
    default_limit=10,
    default_threshold=0.70,
)

article_similarity = Similarity(
    "articleSimilarity",
    articles,
    thresholds=Thresholds(duplicate=0.92, confirms=0.86, related=0.72),
    default_limit=5,
)

app = Cognate(tables=[claims, articles], similarities=[claim_similarity, article_similarity])
