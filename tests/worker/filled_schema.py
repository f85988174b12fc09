"""The schema of the tests that measure every statement: more kinds of tables than the example."""

from cognate import Access, Cognate, Embeddings, Owner, Record, Similarity, Table


class Claim(Record):
    """A short text."""

    content: str
    story_id: str | None = None


class Article(Record):
    """A long text."""

    title: str
    body: str
    section: str | None = None
    year: int | None = None


class Note(Record):
    """A text that somebody owns, and that is kept when it is deleted."""

    text: str
    author: str | None = None


claims = Table("claims", Claim, embeddings=Embeddings(fields=["content"], metadata=["story_id"]))
articles = Table(
    "articles",
    Article,
    access=Access(delete="admin+"),
    embeddings=Embeddings(
        fields=["title", "body"],
        model="@cf/baai/bge-small-en-v1.5",
        separator="\n\n",
        metadata=["section", "year"],
    ),
)
notes = Table(
    "notes",
    Note,
    owner=Owner("author", only=["update"], unless="robot"),
    soft_delete=True,
    embeddings=Embeddings(fields=["text"]),
)
app = Cognate(
    tables=[claims, articles, notes],
    similarities=[
        Similarity("claimSimilarity", claims),
        Similarity("articleSimilarity", articles),
    ],
)
