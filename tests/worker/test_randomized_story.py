"""Whatever happens, in whatever order: the index agrees with the records, and nobody sees another.

A story that ends badly is told again with its seed: `make soak SEED=7 STEPS=2000`.
"""

from __future__ import annotations

import json
import os
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

from cognate.api.application import Application
from cognate.api.http import Request
from cognate.ports import Platform
from cognate.principal import OrganizationId
from cognate.settings import Settings
from tests.repeating import VARIABLE
from tests.stage.faults import FailingDatabase
from tests.stage.platform import SCHEMA
from tests.stage.story import TEXTS, RandomStory
from tests.sweep import Sweep
from tests.worker.author import RECORDS, Author
from tests.worker.chaos import WorkerStory

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognate.api.http import BodyReader
    from cognate.schema import Cognate
    from tests.worker.conftest import Report
    from tests.worker.instruments import Instruments

STORIES: Final = 10
STEPS: Final = 1500
"""Of one story in process."""
WORKER_STEPS: Final = 300
"""Of the one in the real runtime."""

RUN: Final = os.environ.get("PYTEST_XDIST_TESTRUNUID")
"""The id of a run in several processes, which must all name the tests alike."""

SEEDS: Final = (
    [int(os.environ["SEED"])] if os.environ.get("SEED") else [Random(RUN).randrange(1 << 16)]  # noqa: S311 - a story
)
ASKED_STEPS: Final = int(os.environ.get("STEPS") or 0)
CANARIES: Final = {"org_kiwi": "Kiwi", "org_lynx": "Lynx", "org_moth": "Moth"}


class ApiStory(RandomStory):
    """The core's random story, whose records are written by the API, by several organizations."""

    async def play(self, moves: int) -> list[str]:
        """What is wrong at the end."""
        self.use(SCHEMA)
        self.organizations = [OrganizationId(name) for name in CANARIES]
        self.records = list(RECORDS)
        self.author = Author(self.random, CANARIES, self.ask, TEXTS)
        for organization_id in CANARIES:
            await self._sign_in(organization_id)
        wrong = await super().play(moves)
        await self.author.close()
        await self.stage.settle()
        wrong += await self.stage.discrepancies()
        return [*wrong, *await Sweep(self.stage.app, self.stage, self.ask, CANARIES).leaks()]

    async def write(self) -> None:
        """A member does something, with a database that may fail or fall silent."""
        database = FailingDatabase(self.stage.local.database)
        call = frozenset({self.random.randint(1, 3)})
        luck = self.random.random()
        if luck < 0.03:
            database.refused = call
        elif luck < 0.06:
            database.unheard = call
        self.stage.with_database(database)
        try:
            self.log.append(await self.author.act())
        finally:
            self.stage.platform = self.stage.local

    async def delete(self) -> None:
        """Deleting is one of the acts."""
        await self.write()

    def wording(self, organization_id: str, words: str) -> str:
        """Each text begins with its organization's own word."""
        return f"{CANARIES[organization_id]}: {words}"

    async def post(self) -> None:
        """So is posting a text for a record."""
        await self.write()

    async def lost_texts(self) -> list[str]:
        """Which text counts is not known where an answer was lost."""
        return []

    def text(self, organization_id: str) -> str:
        """What an organization's record may say by SQL."""
        return self.author.text(organization_id)

    def use(self, app: Cognate) -> None:
        """Deploy a schema."""
        super().use(app)
        self.application = Application(app)

    async def ask(
        self, organization_id: str, method: str, path: str, body: Any = None
    ) -> tuple[int, str]:
        """See `tests.sweep.Ask`."""
        request = Request.of(
            method,
            f"https://api.example.com{path}",
            [
                ("authorization", f"Bearer token-{organization_id}"),
                ("content-type", "application/json"),
            ],
            _reader(body),
        )
        answer = await self.application.handle(
            request, self._api_platform(), Settings(auth_secret="secret")
        )
        return answer.status, answer.body.decode()

    def _api_platform(self) -> Platform:
        """The stage's, with sessions that are always found."""
        local, given = self.stage.local, self.stage.platform
        return Platform(
            embedder=given.embedder,
            indexes=given.indexes,
            database=given.database,
            auth_database=local.database,
            queue=given.queue,
            clock=given.clock,
        )

    async def _sign_in(self, organization_id: str) -> None:
        user = f"user-{organization_id}"
        for sql, *parameters in (
            ('INSERT INTO "user" (id, name, email) VALUES (?1, ?1, ?1)', user),
            ("INSERT INTO organization (id, name, slug) VALUES (?1, ?1, ?1)", organization_id),
            (
                (
                    "INSERT INTO member (id, organization_id, user_id, role) "
                    "VALUES (?1, ?2, ?1, 'owner')"
                ),
                user,
                organization_id,
            ),
            (
                (
                    "INSERT INTO session (id, token, user_id, expires_at, active_organization_id) "
                    "VALUES (?1, ?2, ?1, '2099-12-31T23:59:59.000Z', ?3)"
                ),
                user,
                f"token-{organization_id}",
                organization_id,
            ),
        ):
            await self.stage.rows(sql, *parameters)


def _reader(body: Any) -> BodyReader:
    async def read(_limit: int) -> bytes:
        return b"" if body is None else json.dumps(body).encode()

    return read


@pytest.fixture(params=SEEDS, ids=lambda seed: f"SEED={seed}")
def seed(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> int:
    """A new one each time, unless `SEED` names one; it is in the test's name."""
    found: int = request.param
    record_property(VARIABLE, f"SEED={found}")
    return found


@pytest.mark.timeout(3600)
async def test_in_process(seed: int, report: Report, capfd: pytest.CaptureFixture[str]) -> None:
    """Thousands of moves over the local adapters: overlapping, failing and dying consumers."""
    for each in [seed] if ASKED_STEPS else range(seed, seed + STORIES):
        story = ApiStory(each)
        wrong = await story.play(ASKED_STEPS or STEPS)
        capfd.readouterr()  # The log of thousands of batches helps nobody.
        seen = ", ".join(f"{name}: {count}" for name, count in sorted(story.verdicts.items()))
        told = [f"SEED={each}: {story.author.summary()}", f"  searches: {seen}"]
        report("Random story in process", told)
        assert [] == wrong, "\n".join([*story.log[-50:], f"SEED={each}"])


@pytest.mark.timeout(3600)
async def test_in_the_real_runtime(seed: int, instrumented: Instruments, report: Report) -> None:
    """Hundreds of requests to the Worker, among faults, redeliveries and lost messages."""
    story = WorkerStory(instrumented, seed)

    wrong = await story.play(min(ASKED_STEPS, 3000) or WORKER_STEPS)
    # Its late and repeated messages would be in the batches that the next test counts.
    instrumented.crash()
    instrumented.restart()

    report("Random story in workerd", [f"SEED={seed}: {story.author.summary()}"])
    assert [] == wrong
