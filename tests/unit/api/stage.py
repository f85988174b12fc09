"""What the tests of the API play on: an application over SQLite, and requests in one line."""

from __future__ import annotations

import json
import math
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cognate.api.application import Application
from cognate.api.http import Request
from cognate.api.routes import ROUTES
from cognate.embedding.fingerprint import fingerprint
from cognate.errors import QueueError
from cognate.ids import vector_id, vector_key
from cognate.models import DEFAULT_MODEL, MODELS
from cognate.ports import IndexMatch, Platform, StoredVectors
from cognate.schema import Cognate, Embeddings, GrayZone, Record, Similarity, Table
from cognate.settings import Settings
from tests.unit.auth.stage import FixedClock, SqliteDatabase, populated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cognate.api.http import Response
    from cognate.api.routing import Route
    from cognate.errors import ConfigurationError, EmbedderError, VectorIndexError
    from cognate.models import EmbeddingModel
    from cognate.ports import IndexState, VectorEntry, VectorIndex, Vectors

SECRET = "the secret of the tests"
FRONTEND = "https://app.example.com"
OWN_ORIGIN = "https://api.example.com"
ADA = {"authorization": "Bearer token-of-ada"}
BOB = {"authorization": "Bearer token-of-bob"}


class Claim(Record):
    """The migrations' `claims`."""

    content: str
    story_id: str | None = None


class Note(Record):
    """A table that embeds nothing."""

    title: str


claims = Table("claims", Claim, embeddings=Embeddings(fields=["content"], metadata=["story_id"]))
notes = Table("notes", Note)
claim_similarity = Similarity("claimSimilarity", claims, gray_zone=GrayZone(min=0.5, max=0.8))
SCHEMA = Cognate(tables=[claims, notes], similarities=[claim_similarity])


@dataclass
class RecordingQueue:
    """Keeps what was sent."""

    messages: list[Mapping[str, Any]] = field(default_factory=list)
    fails: bool = False

    async def send(self, messages: Sequence[Mapping[str, Any]], *, delay_seconds: int = 0) -> None:
        """See `ports.JobQueue.send`."""
        if self.fails:
            message = f"not after {delay_seconds} s either"
            raise QueueError(message)
        self.messages.extend(messages)


@dataclass
class PlaneEmbedder:
    """Reads every text as the same vector; see `Stage.add_embedded_claim`."""

    error: EmbedderError | None = None
    texts: list[str] = field(default_factory=list)

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `ports.Embedder.embed`."""
        assert urgent, "somebody waits"
        if self.error is not None:
            raise self.error
        self.texts.extend(texts)
        return StoredVectors(
            at_cosine(1, model.dimensions).tobytes() * len(texts), model.dimensions
        )


@dataclass
class WholeIndex:
    """Finds everything of the organization and table; D1 decides what is near."""

    matches: list[IndexMatch] = field(default_factory=list)
    error: VectorIndexError | None = None

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `ports.VectorIndex.upsert`; nothing here writes."""
        raise NotImplementedError(entries)

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """See `ports.VectorIndex.delete`; nothing here deletes."""
        raise NotImplementedError(ids)

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`."""
        del vectors
        if self.error is not None:
            raise self.error
        scope = {name: conditions[name] for name in ("organizationId", "table")}
        return [match for match in self.matches if match.metadata == scope][:top_k]

    async def describe(self) -> IndexState:
        """See `ports.VectorIndex.describe`; nothing here is looked at."""
        raise NotImplementedError


def at_cosine(cosine: float, dimensions: int) -> array[float]:
    """A unit vector at that cosine to the one that `PlaneEmbedder` answers."""
    return array("f", [cosine, math.sqrt(1 - cosine**2)] + [0.0] * (dimensions - 2))


@dataclass
class Answer:
    """A response, read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(self.json["code"])

    @property
    def pointers(self) -> list[str]:
        """Where a request broke a rule."""
        assert self.code == "VALIDATION_FAILED"
        return [error["pointer"] for error in self.json["errors"]]


class Stage:
    """One application with two people, and a switch for each thing that may go wrong."""

    def __init__(
        self,
        routes: Iterable[Route] = ROUTES,
        settings: Settings | None = None,
        schema: Cognate = SCHEMA,
    ) -> None:
        self.application = Application(schema, routes)
        self.settings = settings or Settings(
            auth_secret=SECRET, allowed_origins=frozenset({FRONTEND})
        )
        self.database: SqliteDatabase = populated()
        self.queue = RecordingQueue()
        self.embedder = PlaneEmbedder()
        self.index = WholeIndex()
        self.indexes: dict[str, VectorIndex] = {"VECTORIZE": self.index}
        self.broken: list[ConfigurationError] = []

    @property
    def platform(self) -> Platform:
        """The ports over this stage."""
        return Platform(
            embedder=self.embedder,
            indexes=self.indexes,
            database=self.database,
            auth_database=self.database,
            queue=self.queue,
            clock=FixedClock(),
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = ADA,
        *,
        raw: bytes | None = None,
    ) -> Answer:
        """Send one request: `body` as JSON, or `raw` as it is."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent = dict(headers or {})
        if content:
            sent.setdefault("content-type", "application/json")

        async def read(_limit: int) -> bytes:
            return content

        return await self.send(Request.of(method, OWN_ORIGIN + path, sent.items(), read))

    async def send(self, request: Request) -> Answer:
        """Send a request."""
        response: Response = await self.application.handle(
            request, self.platform, self.settings, self.broken
        )
        return Answer(response.status, response.headers, response.body)

    def add_claim(self, organization_id: str, record_id: str, content: str = "text") -> None:
        """Put a record in, behind the API."""
        self.database.insert(
            "claims", organization_id=organization_id, id=record_id, content=content
        )

    def add_embedded_claim(
        self, organization_id: str, record_id: str, cosine: float, story_id: str | None = None
    ) -> None:
        """Put a record in whose vector is at that cosine to every query."""
        model = MODELS[DEFAULT_MODEL]
        self.database.insert(
            "claims",
            organization_id=organization_id,
            id=record_id,
            content="text",
            story_id=story_id,
            embedding=at_cosine(cosine, model.dimensions).tobytes(),
        )
        self._add_embedding(organization_id, "claims", record_id, model)

    def add_embedded_text(self, organization_id: str, job_id: str, model_name: str) -> None:
        """Put a posted text in whose vector is every query's own."""
        model = MODELS[model_name]
        self.database.insert(
            "cognate_texts",
            organization_id=organization_id,
            id=job_id,
            content="text",
            embedding=at_cosine(1, model.dimensions).tobytes(),
            created_at="2026-11-01T00:00:00.000Z",
        )
        self._add_embedding(organization_id, f"_texts:{model_name}", job_id, model)

    def _add_embedding(
        self, organization_id: str, scope: str, record_id: str, model: EmbeddingModel
    ) -> None:
        key = vector_key(organization_id, scope, record_id)
        self.database.insert(
            "cognate_embeddings",
            organization_id=organization_id,
            scope=scope,
            record_id=record_id,
            vector_key=key,
            revision=1,
            content_hash="hash",
            index_hash="hash",
            fingerprint=fingerprint(model),
            chunks="[[0, 4]]",
            embedded_at="2026-11-01T00:00:00.000Z",
        )
        metadata = {"organizationId": organization_id, "table": scope}
        self.index.matches.append(IndexMatch(vector_id(key, 0), 0.1, metadata))
