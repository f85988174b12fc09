"""The stage of the API: an application with two people, and requests in one line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cognate.api.application import Application
from cognate.api.http import Request
from cognate.api.routes import ROUTES
from cognate.ids import vector_id, vector_key
from cognate.models import DEFAULT_MODEL, MODELS
from cognate.ports import Platform
from cognate.schema import Cognate, GrayZone, Record, Similarity, Table
from cognate.settings import Settings
from tests.stage.one_direction import OneDirection, at_cosine
from tests.stage.people import enrol_two
from tests.stage.platform import PlatformStage, claims
from tests.stage.watched import WatchedDatabase, WatchedEmbedder, WatchedIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cognate.api.http import Response
    from cognate.api.routing import Route
    from cognate.errors import ConfigurationError
    from cognate.models import EmbeddingModel
    from cognate.ports import VectorIndex

SECRET: Final = "the secret of the tests"
FRONTEND: Final = "https://app.example.com"
OWN_ORIGIN: Final = "https://api.example.com"
ADA: Final = {"authorization": "Bearer token-of-ada"}
BOB: Final = {"authorization": "Bearer token-of-bob"}


class Note(Record):
    """A table that embeds nothing."""

    title: str


notes = Table("notes", Note)
claim_similarity = Similarity("claimSimilarity", claims, gray_zone=GrayZone(min=0.5, max=0.8))
SCHEMA: Final = Cognate(tables=[claims, notes], similarities=[claim_similarity])


@dataclass
class Answer:
    """A response of the application."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed JSON body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The `code` of a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(self.json["code"])

    @property
    def pointers(self) -> list[str]:
        """The JSON pointers of a validation problem."""
        assert self.code == "VALIDATION_FAILED"
        return [error["pointer"] for error in self.json["errors"]]


class ApiStage(PlatformStage):
    """One application with Ada of Acme and Bob of Globex, and nothing else in it.

    Attributes:
        database: what the application is given; its calls can be counted and fail.
        embedder: the texts it was given, and the error that it raises.
        index: the claims' index, whose queries can fail.
        broken: configuration errors that the application was started with.
    """

    def __init__(
        self,
        routes: Iterable[Route] = ROUTES,
        settings: Settings | None = None,
        schema: Cognate = SCHEMA,
    ) -> None:
        super().__init__(schema, encoder=OneDirection())
        self.application = Application(schema, routes)
        self.settings = settings or Settings(
            auth_secret=SECRET, allowed_origins=frozenset({FRONTEND})
        )
        self.database = WatchedDatabase(self.local.database)
        self.queue = self.local.queue
        self.embedder = WatchedEmbedder(self.local.embedder, is_waited_for=True)
        self.index = WatchedIndex(self.local.indexes["VECTORIZE"])
        self.indexes: dict[str, VectorIndex] = {"VECTORIZE": self.index}
        self.broken: list[ConfigurationError] = []
        self.platform = Platform(
            embedder=self.embedder,
            indexes=self.indexes,
            database=self.database,
            auth_database=self.database,
            queue=self.queue,
            clock=self.local.clock,
        )
        enrol_two(self.database)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = ADA,
        *,
        raw: bytes | None = None,
    ) -> Answer:
        """Send one request, with `body` as JSON or with the bytes of `raw`."""
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
        """Insert a record by SQL."""
        self.database.insert(
            "claims", organization_id=organization_id, id=record_id, content=content
        )

    def add_embedded_claim(
        self, organization_id: str, record_id: str, cosine: float, story_id: str | None = None
    ) -> None:
        """Insert a record whose vector has that cosine to every query."""
        model = MODELS[DEFAULT_MODEL]
        self.database.insert(
            "claims",
            organization_id=organization_id,
            id=record_id,
            content="text",
            story_id=story_id,
            embedding=_blob(cosine, model),
        )
        metadata = {} if story_id is None else {"storyId": story_id}
        self._add_embedding(
            organization_id, "claims", record_id, model, cosine=cosine, metadata=metadata
        )

    def add_embedded_text(self, organization_id: str, job_id: str, model_name: str) -> None:
        """Insert a posted text whose vector is that of every query."""
        model = MODELS[model_name]
        self.database.insert(
            "cognate_texts",
            organization_id=organization_id,
            id=job_id,
            content="text",
            embedding=_blob(1, model),
            created_at="2026-11-01T00:00:00.000Z",
        )
        self._add_embedding(
            organization_id, f"_texts:{model_name}", job_id, model, cosine=1, metadata={}
        )

    def _add_embedding(  # noqa: PLR0913 - an embedding has these parts
        self,
        organization_id: str,
        scope: str,
        record_id: str,
        model: EmbeddingModel,
        *,
        cosine: float,
        metadata: Mapping[str, str],
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
            fingerprint=model.fingerprint,
            chunks="[[0, 4]]",
            embedded_at="2026-11-01T00:00:00.000Z",
        )
        vector = {
            "id": vector_id(key, 0),
            "values": at_cosine(cosine, model.dimensions),
            "metadata": {"organizationId": organization_id, "table": scope, **metadata},
        }
        self.local.bindings.indexes[model.index_binding].upsert([vector])


def _blob(cosine: float, model: EmbeddingModel) -> bytes:
    return np.array(at_cosine(cosine, model.dimensions), dtype="<f4").tobytes()
