"""`make dev` as its user meets it: mistakes in the schema, missing tables, deaths and restarts."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from local.setup.layout import ROOT
from tests.worker.launched import Launched
from tests.worker.waiting import wait_for
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMA: Final = (ROOT / "tests" / "demonstration.py").read_text("utf-8")
SERVICES: Final = {"claimSimilarity", "articleSimilarity"}
TWINS: Final = SCHEMA.replace('"articleSimilarity"', '"articleTwins"')
GOOD: Final = {SCHEMA: SERVICES, TWINS: {"claimSimilarity", "articleTwins"}}
"""Schemas that can be served, with the services that the Worker then has."""
RELOAD_SECONDS: Final = 120.0
"""Two or three on an idle machine."""

pytestmark = pytest.mark.timeout(600)

NOTES: Final = """

class Note(Record):
    text: str


notes = Table("notes", Note, embeddings=Embeddings(fields=["text"]))
app = Cognate(
    tables=[*app.tables.values(), notes],
    similarities=[*app.similarities.values(), Similarity("noteSimilarity", notes)],
)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """`make dev` on a checkout of its own; the tests of this module share it."""
    checkout = tmp_path_factory.mktemp("checkout")
    checkout_with(checkout, ROOT / "src" / "entry.py", [])
    launched = Launched(checkout, tmp_path_factory.mktemp("data")).start()
    yield launched
    launched.end()


@pytest.fixture
def launched(running: Launched) -> Launched:
    """`make dev` with the demonstration's schema."""
    if running.schema.read_text("utf-8") != SCHEMA:
        running.save(SCHEMA)
        wait_for_services(running, SERVICES)
    return running


def wait_for_services(launched: Launched, expected: set[str]) -> None:
    """Wait until the Worker has these similarity services, and so the schema that was saved."""

    def look() -> bool:
        with launched.http as http, suppress(httpx.TransportError):
            answer = http.get("/api/v1/similarity", timeout=10)
            if answer.status_code == httpx.codes.OK:
                return expected == {each["name"] for each in answer.json()["services"]}
        return False

    wait_for(look, f"the services {expected}", RELOAD_SECONDS)


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (
            lambda text: text.replace('fields=["content"]', 'fields=["contents"]'),
            "table 'claims': fields names 'contents'",
        ),
        (lambda text: f"{text}\napp = Cognate(\n", "'(' was never closed"),
        (lambda text: f"{text}\nraise SystemExit(1)\n", "SystemExit: 1."),
        # The host can import it; the Worker's runtime allows no randomness at import.
        (
            lambda text: f"{text}\nimport secrets\nKEY = secrets.token_hex()\n",
            "The Worker does not start",
        ),
    ],
    ids=["definition", "syntax", "exit", "runtime"],
)
def test_a_mistake_is_told_and_the_last_good_worker_keeps_answering(
    running: Launched, mistake: Callable[[str], str], sentence: str
) -> None:
    """One sentence says where it is; the next save heals it and is served."""
    # What the test before this one has healed is good too: serving another schema takes seconds.
    good = running.schema.read_text("utf-8")
    healed = TWINS if good == SCHEMA else SCHEMA
    running.save(mistake(good))
    running.wait_for_output(sentence)

    wait_for_services(running, GOOD[good])
    with running.http as http:
        assert http.get("/api/v1/claims").status_code == 200

    running.save(healed)
    wait_for_services(running, GOOD[healed])


def test_a_table_without_its_migration_is_named(launched: Launched) -> None:
    """The sentence says which file to write, and the other tables work meanwhile."""
    launched.save(SCHEMA + NOTES)
    launched.wait_for_output("The table 'notes' of src/schema.py is not in the database")

    assert re.search(r"TABLE=notes > migrations/\d{4}_create_notes\.sql`", launched.output)
    wait_for_services(launched, {*SERVICES, "noteSimilarity"})
    with launched.http as http:
        assert http.post("/api/v1/claims", json={"content": "A third"}).status_code == 201


def test_a_worker_whose_port_is_dead_answers_again(launched: Launched) -> None:
    """Wrangler starts the process that listens again, which then often hangs or is refused."""
    launched.kill_one(f"--socket-addr=entry=127.0.0.1:{launched.port}")

    wait_for_services(launched, SERVICES)


def test_workers_ai_and_vectorize_are_started_again(launched: Launched) -> None:
    """Their process is one of `make dev`'s own; searches are answered again."""
    launched.kill_one("python -m local.bindings.server")

    launched.wait_for_output("Workers AI and Vectorize ended; starting again")
    launched.wait_for_output("Workers AI and Vectorize: running again.")
    with launched.http as http:
        search = {"query": "Three suspects were arrested by police"}
        answer = http.post("/api/v1/similarity/claimSimilarity/search", json=search)
    assert (answer.status_code, answer.json()["degraded"]) == (200, False)


def test_jobs_whose_messages_are_lost_are_announced_at_the_next_start(launched: Launched) -> None:
    """Without it they wait until the sweeper finds them overdue, five minutes and more."""
    with launched.http as http:
        # The queue waits a second for company, so it still holds the message.
        assert http.post("/api/v1/claims", json={"content": "Lost for a while"}).status_code == 201
    launched.kill()
    launched.start()

    with launched.http as http:
        wait_for(lambda: _unfinished(http) == 0, "every job", RELOAD_SECONDS)


def test_a_deleted_demonstration_record_stays_deleted(launched: Launched) -> None:
    """The demonstration is written once, not at each start."""
    with launched.http as http:
        assert http.delete("/api/v1/claims/claim_1").status_code == 200
    launched.end()
    launched.start()

    with launched.http as http:
        assert http.get("/api/v1/claims/claim_1").status_code == 404


def test_the_printed_cookie_is_a_session(launched: Launched) -> None:
    """In the format of Better Auth, as a browser has it; the usual frontends may send it."""
    cookie = re.search(r"-H 'cookie: ([^']+)'", launched.output)
    assert cookie is not None
    for origin in ("http://localhost:3000", "http://127.0.0.1:5173", "http://localhost:4321"):
        answer = httpx.post(
            f"{launched.http.base_url}/api/v1/claims",
            headers={"cookie": cookie[1], "origin": origin},
            json={"content": "From a browser"},
            trust_env=False,
        )
        assert answer.status_code == 201, answer.text
        assert answer.headers["access-control-allow-origin"] == origin


def _unfinished(http: httpx.Client) -> int:
    jobs = http.get("/api/v1/embeddings/jobs", params={"limit": 100}).json()["data"]
    return sum(job["status"] in {"queued", "running"} for job in jobs)
