"""Better Auth's tables in a database of their own, in the real runtime."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from local.demo.organizations import DEMO_ORGANIZATIONS
from local.development.local_cognate import LocalCognate
from local.running.local_worker import LocalConfig
from local.setup.layout import ROOT
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.setup.layout import Layout
    from tests.worker.instruments import Instruments

BOUND = """
[[env.local.d1_databases]]
binding = "AUTH_DB"
database_name = "application"
"""
SERVICES = "/api/v1/similarity"
HEADERS = {"authorization": f"Bearer {DEMO_ORGANIZATIONS[0].session_token}"}


@contextmanager
def worker_with(
    folder: Path, new_state: Callable[[Layout], Path], bindings: str, **variables: str
) -> Iterator[LocalCognate]:
    """The Worker with more bindings and variables; its checkout is made in an empty folder."""
    layout = checkout_with(folder, ROOT / "src" / "entry.py", [])
    with (layout.root / "wrangler.toml").open("a", encoding="utf-8") as configuration:
        configuration.write(bindings)
    config = LocalConfig(state=new_state(layout), variables=variables)
    with LocalCognate(config, layout) as worker:
        yield worker


def ask(worker: LocalCognate) -> httpx.Response:
    """A request in the session of the first demo organization."""
    return httpx.get(f"{worker.url}{SERVICES}", headers=HEADERS, trust_env=False)


def tables(database: Path) -> set[str]:
    """The names of the tables in a file."""
    with closing(sqlite3.connect(database)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}


def test_sessions_are_read_from_auth_db(
    tmp_path: Path, new_state: Callable[[Layout], Path]
) -> None:
    """The demonstration is signed in there; a database without the tables is named as an error."""
    with worker_with(tmp_path, new_state, BOUND, AUTH_COLUMN_NAMING="camelCase") as worker:
        signed_in = ask(worker)
        files = worker.database, worker.auth_database
        records, auth = (tables(file) for file in files)
        with closing(sqlite3.connect(files[1])) as connection, connection:
            connection.execute("ALTER TABLE session RENAME TO sessions")
        lost = ask(worker)

    assert signed_in.status_code == 200
    assert ("claims" in records, "session" in records) == (True, False)
    assert ("claims" in auth, "session" in auth) == (False, True)
    assert (lost.status_code, lost.json()["code"]) == (503, "CONFIGURATION_MISSING")
    assert "bind the one that has them as AUTH_DB" in lost.json()["detail"]


@pytest.mark.parametrize(
    "environment",
    [
        {"variables": {"AUTH_DB": "application"}},
        {"exchanged": {"AUTH_DB": "EMBEDDINGS_QUEUE"}},
        {"exchanged": {"AUTH_DB": "AI"}},
    ],
    ids=["variable", "queue", "service"],
)
def test_auth_db_of_another_kind_is_an_error(
    instrumented: Instruments, environment: dict[str, Any]
) -> None:
    """It is not taken for no AUTH_DB at all."""
    answer = instrumented.ask("broken", {"path": SERVICES, "headers": HEADERS, **environment})

    assert (answer["status"], answer["body"]["code"]) == (503, "CONFIGURATION_MISSING")
    assert answer["body"]["detail"].startswith("AUTH_DB is not a D1 database")


def test_auth_db_may_be_any_d1_database(instrumented: Instruments) -> None:
    """The control: the real binding is recognised."""
    environment = {"exchanged": {"AUTH_DB": "DB"}}
    answer = instrumented.ask("broken", {"path": SERVICES, "headers": HEADERS, **environment})

    assert answer["status"] == 200
