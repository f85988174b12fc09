"""No statement reads more rows because an organization, or the whole database, is larger.

Everything that a Worker does is played for a large organization of a database that holds several,
before and after `ANALYZE`, and D1 says how many rows each statement has read. The bound knows what
the statement was given, and not how much there is.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from cognate.api.routes import ROUTES
from cognate.schema.ddl import migration_of
from local.running.local_worker import LocalConfig
from local.setup.layout import ROOT
from tests.worker.everything import Everything
from tests.worker.filled import CROWDED, fill, organization
from tests.worker.filled_schema import app
from tests.worker.measured_run import measured_checkout, measured_worker
from tests.worker.organization import Organization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import httpx

    from local.setup.layout import Layout
    from tests.worker.instruments import Instruments

pytestmark = pytest.mark.timeout(600)
"""The fixtures play everything, twice."""

LARGE: Final = organization("large", 8000)
OTHERS: Final = [organization(f"other{number}", 4000) for number in range(3)]

FIXED: Final = 100
"""Rows that any statement may read."""

PER_ITEM: Final = 12
"""Rows for each row that it was given as JSON, wrote or returned. An upsert of a job reads an entry
of each of its indexes."""

MORE: Final = {
    "records.table_sql.read_page": (
        None,
        "Sorted or filtered by a field without an index, it reads all records of the organization.",
    ),
    "records.table_sql.count_records": (
        None,
        "It counts all records of the organization that meet the filters.",
    ),
    "backfill.coverage.count_statement": (
        None,
        "It counts the records of an organization; of a large table at most once a minute.",
    ),
    "jobs.queue.release_statement": (
        1100,
        "It counts the messages of a window, which has 500: an entry of the index and a row each.",
    ),
    "jobs.job.list_statement": (
        400,
        "It merges the newest jobs of each collection, a page of each.",
    ),
    "jobs.overdue.look_statements": (
        15_000,
        "It takes two steps of an index for each of up to 5,000 organizations with open jobs.",
    ),
    "backfill.walk.read_step": (1100, "It counts up to 1,000 jobs that wait."),
    "search.candidates.read_sketches": (
        2000,
        "It reads what the index does not show yet: some hundreds of records here.",
    ),
    "jobs.pruning.prune_statements": (20_000, "It looks at up to 1,000 jobs that are removed."),
}
"""Functions whose statements may read more: rows, or None for any number, and why."""

MORE_IF_CROWDED: Final = {
    "search.candidates.read_pending": (
        11_000,
        "It looks at up to 2,000 open jobs, and reads the records of the first that wait.",
    ),
}
"""The same, where an organization has thousands of waiting jobs."""

SITE: Final = re.compile(r"cognate\.([\w.]+):(\d+)")


@dataclass(frozen=True)
class Played:
    """What D1 said of every statement, and which requests were answered."""

    measurements: Sequence[dict[str, Any]]
    requests: frozenset[tuple[str, str]]


def _sites() -> dict[str, str]:
    """Where the sources make a statement: `module:line` to the name of the function."""
    found: dict[str, str] = {}

    def look(node: ast.AST, module: str, names: Sequence[str]) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call) and getattr(child.func, "id", "") == "Statement":
                found[f"cognate.{module}:{child.lineno}"] = ".".join((module, *names))
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                look(child, module, (*names, child.name))
            else:
                look(child, module, names)

    folder = ROOT / "src" / "cognate"
    for path in sorted(folder.rglob("*.py")):
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        look(ast.parse(path.read_text("utf-8")), module.removesuffix(".__init__"), ())
    return found


SITES: Final = _sites()


@pytest.fixture(scope="module")
def filled_worker(
    tmp_path_factory: pytest.TempPathFactory, new_state: Callable[[Layout], Path]
) -> Iterator[Instruments]:
    """A Worker that measures, over a database that has been in use for long."""
    layout = measured_checkout(tmp_path_factory.mktemp("checkout"))
    schema = ROOT / "tests" / "worker" / "filled_schema.py"
    shutil.copy(schema, layout.root / "src" / "schema.py")
    (layout.root / "migrations" / "9000_notes.sql").write_text(
        migration_of(app.tables["notes"]), "utf-8"
    )
    config = LocalConfig(state=new_state(layout), variables={"TEXT_RETENTION_DAYS": "365"})
    with measured_worker(config, layout) as instruments:
        worker = instruments.worker
        tables = [app.collections[name] for name in app.tables]
        fill(worker.database, worker.auth_database, tables, [LARGE, *OTHERS])
        yield instruments


def _play(instruments: Instruments, name: str) -> Played:
    """Everything, for a large organization and for one whose jobs wait behind a full window."""
    requests: set[tuple[str, str]] = set()

    def note(answer: httpx.Response) -> None:
        requests.add((answer.request.method, answer.request.url.path))

    instruments.ask("measurements", {})
    instruments.http.event_hooks["response"] = [note]
    Everything(instruments, Organization(instruments.http, LARGE.demo), name).play()
    Everything(instruments, Organization(instruments.http, CROWDED), name).play_crowded()
    instruments.http.event_hooks["response"] = []
    return Played(instruments.ask("measurements", {}), frozenset(requests))


@pytest.fixture(scope="module")
def played(filled_worker: Instruments) -> Played:
    """Without statistics, as D1 is unless somebody asks for them."""
    return _play(filled_worker, "first")


@pytest.fixture(scope="module")
def played_analyzed(filled_worker: Instruments, played: Played) -> Played:
    """With the statistics of `ANALYZE`, by which SQLite may choose other plans."""
    assert played.measurements
    filled_worker.crash()
    with closing(sqlite3.connect(filled_worker.worker.database)) as connection:
        connection.execute("ANALYZE")
    filled_worker.restart()
    return _play(filled_worker, "second")


def _items(measurement: dict[str, Any]) -> int:
    """How many rows a statement was given as JSON, wrote and returned."""
    given = [
        len(json.loads(value))
        for value in measurement["parameters"]
        if isinstance(value, str) and value.startswith("[")
    ]
    return sum(given) + int(measurement["written"]) + int(measurement["found"])


def _too_many(played: Played) -> dict[str, str]:
    """The statements that have read more than they may, the worst of each kind."""
    worst: dict[str, tuple[int, str]] = {}
    for item in played.measurements:
        site = item["site"]
        if not SITE.fullmatch(site):
            continue  # A test's own.
        function = SITES[site]
        more, _ = MORE.get(function, (0, ""))
        if CROWDED.id in item["parameters"]:
            more, _ = MORE_IF_CROWDED.get(function, (more, ""))
        read, items = item["read"], _items(item)
        if more is None or read <= FIXED + PER_ITEM * items + more:
            continue
        text = f"{function} reads {read} rows for {items} items: {item['sql']}"
        worst[item["sql"]] = max(worst.get(item["sql"], (0, "")), (read, text))
    return {sql: text for sql, (_, text) in worst.items()}


def test_no_statement_reads_more_than_it_is_given_asks_for(played: Played) -> None:
    """Without statistics."""
    assert list(_too_many(played).values()) == []


def test_statistics_change_no_plan_for_the_worse(played_analyzed: Played) -> None:
    """After `ANALYZE`, which `PRAGMA optimize` runs too."""
    assert list(_too_many(played_analyzed).values()) == []


def test_a_list_by_id_reads_its_page_only(played: Played) -> None:
    """It is no part of what a sorted or filtered list is allowed."""
    pages = [
        item
        for item in played.measurements
        if SITES.get(item["site"]) == "records.table_sql.read_page"
        and re.search(r"ORDER BY r\.id \w+ LIMIT", item["sql"])
    ]

    assert len(pages) >= 6
    assert [item for item in pages if item["read"] > FIXED + PER_ITEM * _items(item)] == []


def test_every_statement_of_the_sources_was_played(played: Played) -> None:
    """A new statement is played too: add what runs it to tests/worker/everything.py."""
    ran = {item["site"] for item in played.measurements}

    assert {SITES[site] for site in SITES.keys() - ran} == set()
    assert {site for site in ran if site.startswith("cognate.")} <= SITES.keys()


def test_every_route_was_asked(played: Played) -> None:
    """A new route is played too."""
    missing = [
        f"{route.method} {route.path}"
        for route in ROUTES
        if not any(
            method == route.method and re.fullmatch(_pattern(route.path), path)
            for method, path in played.requests
        )
    ]

    assert missing == []


def _pattern(path: str) -> str:
    """An expression for the paths of a route."""
    return re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))


@pytest.mark.parametrize("function", [*MORE, *MORE_IF_CROWDED])
def test_an_exception_is_needed(played: Played, played_analyzed: Played, function: str) -> None:
    """A statement that was mended, moved or removed loses its exception.

    Either round may need it. A list of jobs of all tables reads a page of each table, and in the
    second round there are jobs of more tables.
    """
    assert any(
        item["read"] > FIXED + PER_ITEM * _items(item)
        for item in (*played.measurements, *played_analyzed.measurements)
        if SITES.get(item["site"]) == function
    )


def test_a_statement_that_reads_an_organization_is_named() -> None:
    """The control: the bound follows what a statement is given, and not how much there is."""
    [site] = [site for site, function in SITES.items() if function == "jobs.job.find_statement"]
    measured = {"site": site, "sql": "SELECT", "parameters": ["[1, 2]"], "written": 0, "found": 1}
    most = FIXED + 3 * PER_ITEM

    assert _too_many(Played([{**measured, "read": most}], frozenset())) == {}
    assert list(_too_many(Played([{**measured, "read": most + 1}], frozenset()))) == ["SELECT"]
    assert most < LARGE.records
