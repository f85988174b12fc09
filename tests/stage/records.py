"""The stage of the records room: three tables, and people of every role in two organizations."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from cognate.consumer import consume
from cognate.errors import CognateError
from cognate.principal import Principal
from cognate.records import (
    Create,
    Deleted,
    StoredRecord,
    Update,
    get_record,
    list_records,
    parse_list_query,
    write_records,
)
from cognate.schema import (
    Access,
    Cognate,
    Embeddings,
    Guards,
    Owner,
    Record,
    Similarity,
    Table,
)
from cognate.schema.ddl import triggers_of
from tests.demonstration import Claim
from tests.stage.platform import ACME, GLOBEX, QUEUE, PlatformStage
from tests.stage.watched import WatchedDatabase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.jobs.messages import Delivery, RetryDelays
    from cognate.pagination import Page
    from cognate.principal import OrganizationId
    from cognate.records import Change
    from cognate.records.changes import Outcome

MANY_FIELDS: Final = 60

TABLES: Final = """
CREATE TABLE posts (
  organization_id TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, slug TEXT, value REAL,
  year INTEGER CHECK (year <> 13), is_public INTEGER NOT NULL DEFAULT 0, tags TEXT,
  published_at TEXT, score INTEGER NOT NULL DEFAULT 0, created_by TEXT, embedding BLOB,
  created_at TEXT NOT NULL, updated_at TEXT NOT NULL, deleted_at TEXT,
  PRIMARY KEY (organization_id, id), UNIQUE (organization_id, slug));
CREATE TABLE notes (
  organization_id TEXT NOT NULL, id TEXT NOT NULL, text TEXT, author TEXT,
  created_at TEXT NOT NULL, updated_at TEXT NOT NULL, PRIMARY KEY (organization_id, id));
"""


class Post(Record):
    """A record with a field of every kind; one has the name of a column of SQLite's `json_each`."""

    title: str
    slug: str | None = None
    value: float | None = None
    year: int | None = None
    is_public: bool = False
    tags: list[str] = Field(default_factory=list)
    published_at: datetime | None = None
    score: int = 0
    created_by: str | None = None


class Note(Record):
    """A record that only its author may read."""

    text: str | None = None
    author: str | None = None


claims = Table(
    "claims",
    Claim,
    id_prefix="claim",
    embeddings=Embeddings(fields=["content"], metadata=["story_id"]),
)
posts = Table(
    "posts",
    Post,
    embeddings=Embeddings(fields=["title"], on_update=["title", "slug"], metadata=["year"]),
    access=Access(create=["editor", "admin+"], delete="admin+"),
    guards=Guards(never=["score"], update=["title", "slug", "year", "tags", "is_public", "value"]),
    owner=Owner("created_by", only=["update"]),
    soft_delete=True,
)
notes = Table("notes", Note, owner=Owner("author", only=["read", "update", "delete"]))
TRIGGERS: Final = [*triggers_of(posts).values()]
"""The triggers of `posts`; the migrations make those of `claims`."""
SCHEMA: Final = Cognate(tables=[claims, posts, notes], similarities=[Similarity("near", claims)])


def person(*roles: str, name: str = "ada", organization: OrganizationId = ACME) -> Principal:
    """Make a caller with these roles."""
    return Principal(name, organization, frozenset(roles))


ADA: Final = person("owner")
BOB: Final = person("owner", name="bob", organization=GLOBEX)


class RecordsStage(PlatformStage):
    """Records that are written by the records room, for people of every role.

    Attributes:
        database: what the records room is given; it counts the calls.
    """

    def __init__(self, app: Cognate = SCHEMA, ddl: str = TABLES) -> None:
        super().__init__(app)
        for statement in filter(str.strip, ddl.split(";")):
            self.sql(statement)
        self.database = WatchedDatabase(self.local.database)
        self.with_database(self.database)

    async def consume(self, deliveries: Sequence[Delivery]) -> RetryDelays:
        """Handle one batch; the consumer's calls are not counted."""
        return await consume(self.local, self.app, QUEUE, deliveries)

    async def write(
        self, table: Table, *operations: Change, by: Principal = ADA, fail_fast: bool = False
    ) -> list[Outcome]:
        """Write records."""
        call = write_records(self.platform, by, table, operations, fail_fast=fail_fast)
        return await call

    async def codes(
        self, table: Table, *operations: Change, by: Principal = ADA, fail_fast: bool = False
    ) -> list[str]:
        """Write records, and return `record`, `deleted` or the code of the error for each."""
        return [
            code(item) for item in await self.write(table, *operations, by=by, fail_fast=fail_fast)
        ]

    async def create(
        self, table: Table, record_id: str | None = None, by: Principal = ADA, **fields: Any
    ) -> StoredRecord:
        """Create one record from `fields`, which have their JSON names."""
        [outcome] = await self.write(table, Create(fields, record_id), by=by)
        assert isinstance(outcome, StoredRecord), outcome
        return outcome

    async def update(
        self, table: Table, record_id: str, by: Principal = ADA, **changes: Any
    ) -> StoredRecord:
        """Change one record."""
        [outcome] = await self.write(table, Update(record_id, changes), by=by)
        assert isinstance(outcome, StoredRecord), outcome
        return outcome

    async def get(self, table: Table, record_id: str, by: Principal = ADA) -> StoredRecord:
        """Read one record."""
        return await get_record(self.platform, by, table, record_id)

    async def page(
        self, table: Table, by: Principal = ADA, **query: str
    ) -> Page[Mapping[str, Any]]:
        """Read one page; `query` is as in a URL, with `__` for the dot before an operator."""
        parameters = {name.replace("__", "."): [value] for name, value in query.items()}
        return await list_records(self.platform, by, table, parse_list_query(table, parameters))

    async def ids(self, table: Table, by: Principal = ADA, **query: str) -> list[str]:
        """List the ids of one page."""
        return [record["id"] for record in (await self.page(table, by, **query)).items]

    def jobs(self, status: str = "%") -> list[tuple[str, str, int]]:
        """List record, source and `embeds` of every job, the oldest first."""
        rows = self.sql("SELECT * FROM cognate_jobs WHERE status LIKE ?1 ORDER BY id", status)
        return [(row["record_id"], row["source"], row["embeds"]) for row in rows]

    def vector_count(self, table: Table = claims) -> int:
        """Count the vectors in the index of a table."""
        assert table.embeddings is not None
        binding = table.embeddings.embedding_model.index_binding
        return len(list(self.local.bindings.indexes[binding].entries()))


def code(outcome: Outcome) -> str:
    """Name the outcome of an operation in one word."""
    if isinstance(outcome, CognateError):
        return outcome.code
    return "deleted" if isinstance(outcome, Deleted) else "record"
