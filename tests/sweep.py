"""A sweep of every route and every store for what belongs to somebody else.

Each organization has a word, its canary, in everything it wrote. Whatever an organization can ask
for is asked for, and whatever is kept is looked at: nobody's canary, and no id of anybody's jobs,
may turn up with another. And each must find its own, or an empty answer would pass.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Protocol

from cognate.api.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cognate.api.routing import Route
    from cognate.schema import Cognate
    from tests.inspection import Place

SHARED: Final = {
    "/healthz",
    "/openapi.json",
    "/docs",
    "/api/v1/ready",
    "/api/v1/embeddings/tables",
    "/api/v1/embeddings/coverage",
    "/api/v1/similarity",
}
"""Routes whose answers name nobody's texts and jobs, so that nothing of one's own can be there."""

NOT_FOUND: Final = 404
SERVER_ERROR: Final = 500

WRITES: Final = {"PATCH", "DELETE", "PUT"}
"""Methods that are not swept: a story uses them, and their answers are its own records."""

_PARAMETER: Final = re.compile(r"\{(\w+)\}")


class Ask(Protocol):
    """One request of a member of an organization."""

    async def __call__(
        self, organization_id: str, method: str, path: str, body: Any = None
    ) -> tuple[int, str]:
        """The status and the text of the answer."""
        ...


@dataclass(frozen=True)
class Sweep:
    """What is swept, and for whom.

    Attributes:
        app: the schema, for its tables and services.
        place: the stores.
        ask: the routes.
        canaries: organization id to the word that only its texts have.
    """

    app: Cognate
    place: Place
    ask: Ask
    canaries: Mapping[str, str]

    async def leaks(self) -> list[str]:
        """What turned up where it does not belong, and canaries that were not found at home."""
        marks = {owner: await self._marks(owner) for owner in self.canaries}
        return [
            *await self._leaks_of_routes(marks),
            *await self._leaks_of_tables(),
            *await self._leaks_of_indexes(),
        ]

    async def _marks(self, owner: str) -> set[str]:
        """What nobody else may read: the canary, and the ids of jobs and backfills."""
        rows = await self.place.rows(
            "SELECT id FROM cognate_jobs WHERE organization_id = ?1 UNION ALL "
            "SELECT id FROM cognate_backfills WHERE organization_id = ?1",
            owner,
        )
        return {self.canaries[owner], *(row["id"] for row in rows)}

    # Routes

    async def _leaks_of_routes(self, marks: Mapping[str, set[str]]) -> list[str]:
        found: list[str] = []
        for owner in self.canaries:
            foreign = {mark: other for other in marks if other != owner for mark in marks[other]}
            values = await self._values(owner, foreign)
            for route in ROUTES:
                found += await self._leaks_of_route(route, owner, values, foreign, marks[owner])
        return found

    async def _leaks_of_route(
        self,
        route: Route,
        owner: str,
        values: Mapping[str, Sequence[str]],
        foreign: Mapping[str, str],
        own: set[str],
    ) -> list[str]:
        found: list[str] = []
        asked = at_home = False
        for path, body in self._requests(route, values):
            status, text = await self.ask(owner, route.method, path, body)
            named, shown = foreign.keys() & _words(path), _words(text)
            asked, at_home = True, at_home or bool(own & shown)
            if status >= SERVER_ERROR:
                found.append(f"{owner} is answered {status} at {path}")
            if named and status != NOT_FOUND:
                found.append(f"{owner} is answered {status} for {foreign[min(named)]}'s {path}")
            # A problem repeats the path that was asked for.
            found += [
                f"{owner} sees {foreign[mark]}'s {mark} at {path}"
                for mark in foreign.keys() & shown - named
            ]
        if asked and not at_home and route.path not in SHARED:
            found.append(f"{owner} finds nothing of its own at {route.path}")
        return found

    async def _values(self, owner: str, foreign: Mapping[str, str]) -> dict[str, Sequence[str]]:
        """What the parameters of paths can be, other organizations' ids included."""
        records = await self.place.rows(
            "SELECT DISTINCT record_id FROM cognate_embeddings WHERE scope NOT LIKE '\\_%' "
            "ESCAPE '\\' AND organization_id IN (SELECT value FROM json_each(?1))",
            json.dumps(list(self.canaries)),
        )
        own = await self.place.rows(
            "SELECT id FROM cognate_jobs WHERE organization_id = ?1 LIMIT 5", owner
        )
        jobs = [row["id"] for row in own] + [mark for mark in foreign if "_" in mark][:20]
        return {
            "table": list(self.app.tables),
            "id": [row["record_id"] for row in records],
            "jobId": jobs,
            "backfillId": jobs,
            "service": list(self.app.similarities),
        }

    def _requests(
        self, route: Route, values: Mapping[str, Sequence[str]]
    ) -> Iterator[tuple[str, Any]]:
        if route.method in WRITES:
            return
        bodies: Sequence[Any] = [None] if route.method == "GET" else self._searches(route)
        names = _PARAMETER.findall(route.path)
        for chosen in product(*(values[name] for name in names)):
            path = route.path
            for name, value in zip(names, chosen, strict=True):
                path = path.replace("{" + name + "}", value)
            for body in bodies:
                yield path, body

    def _searches(self, route: Route) -> Sequence[Any]:
        """Bodies that ask a route for everything; none for one that writes."""
        words = list(self.canaries.values())
        last = route.path.rsplit("/", 1)[-1]
        if last == "search":
            return [{"query": word, "limit": 50, "threshold": -1} for word in words]
        if last == "gray-zone":
            return [{"query": word, "min": -1, "max": 1} for word in words]
        if last == "query":
            tables = [None, *(name for name, t in self.app.tables.items() if t.embeddings)]
            return [
                {"query": word, "topK": 50} | ({"table": table} if table else {})
                for word in words
                for table in tables
            ]
        return []

    # Stores

    async def _leaks_of_tables(self) -> list[str]:
        """Rows of every table that has an organization."""
        tables = await self.place.rows(
            "SELECT m.name FROM sqlite_master m WHERE m.type = 'table' AND EXISTS ("
            "SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'organization_id')"
        )
        names = {row["name"] for row in tables}
        assert {*self.app.tables, "cognate_jobs", "cognate_embeddings"} <= names
        found: list[str] = []
        for name in sorted(names):
            columns = await self.place.rows(
                "SELECT name FROM pragma_table_info(?1) WHERE type <> 'BLOB'", name
            )
            listed = ", ".join(f'"{row["name"]}"' for row in columns)
            rows = await self.place.rows(f'SELECT {listed} FROM "{name}"')  # noqa: S608 - of the schema
            for row in rows:
                found += self._foreign(row["organization_id"], json.dumps(row), f"a row of {name}")
        return found

    async def _leaks_of_indexes(self) -> list[str]:
        found: list[str] = []
        for index in self.app.vector_indexes():
            for metadata in (await self.place.metadata(index.binding)).values():
                owner = metadata["organizationId"]
                found += self._foreign(owner, json.dumps(metadata), f"a vector of {index.binding}")
        return found

    def _foreign(self, owner: str, text: str, where: str) -> list[str]:
        words = _words(text)
        return [
            f"{where} of {owner} has {other}'s {canary}"
            for other, canary in self.canaries.items()
            if other != owner and canary in words
        ]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))
