"""How many modules one request or one queue batch runs through; `make test` prints the figures."""

from __future__ import annotations

import asyncio
import json
import re
import textwrap
from typing import TYPE_CHECKING, Any, Final

import pytest

from cognate.api.application import Application
from cognate.api.http import Request, Response
from cognate.consumer import consume
from cognate.settings import Settings
from cognate.times import to_iso
from local.setup.layout import ROOT
from tests.stage.people import enrol
from tests.stage.platform import ACME, QUEUE, SCHEMA, Stage
from tests.stage.watched import WatchedDatabase
from tests.walks import COGNATE, OUTSIDE, Walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognate.jobs.messages import RetryDelays

TEXT: Final = "The police arrested three suspects."
SEARCH: Final = "/api/v1/similarity/claimSimilarity/search"
SETTINGS: Final = Settings(auth_secret="the secret of the tests")


@pytest.fixture
async def stage() -> Stage:
    """The local platform, with one member, one embedded record and nothing left to do."""
    stage = Stage()
    enrol(WatchedDatabase(stage.local.database), "ada", ACME, "owner")
    # What an isolate makes at its first request is there at the next one.
    for path, body in ("/api/v1/claims", {"content": TEXT}), (SEARCH, {"query": TEXT}):
        await ask(stage, path, body)
    await stage.settle()
    await stage.show()
    # No time that another test has written counts for this one.
    to_iso.cache_clear()
    return stage


async def ask(stage: Stage, path: str, body: dict[str, str]) -> Response:
    """Send a request to the application as a member of the organization."""
    return await Application(SCHEMA).handle(request(path, body), stage.local, SETTINGS)


def request(path: str, body: dict[str, str]) -> Request:
    """A request of the member with a JSON body."""

    async def read(_limit: int) -> bytes:
        return json.dumps(body).encode()

    headers = {"authorization": "Bearer token-of-ada", "content-type": "application/json"}
    return Request.of("POST", f"https://api.example.com{path}", headers.items(), read)


def report(walk: Walk, name: str, record_property: Callable[[str, object], None]) -> None:
    """Hand the figures to the summary that `tests/conftest.py` prints."""
    record_property("figure", f"{name}: {walk}")


def not_described(walk: Walk, section: str) -> set[str]:
    """The modules that a section of `docs/architecture.md` does not name; words need no mention."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    text = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    named = {path.replace("/", ".") for path in re.findall(r"`src/cognate/([\w/]+)\.py`", text)}
    return {name for name in walk.starts if "." in name} - named


async def test_a_search_runs_through_few_modules(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    """A search that finds a record runs through at most so many modules and calls."""
    walk, application = Walk(), Application(SCHEMA)
    asked = request(SEARCH, {"query": TEXT})

    response = await walk.follow(application.handle(asked, stage.local, SETTINGS))

    report(walk, "A search", record_property)
    assert not_described(walk, "One search") == set()
    answer = json.loads(response.body)
    assert ("DUPLICATE", 1) == (answer["verdict"], len(answer["results"]))
    assert (len(walk.starts) <= 18, walk.calls.total() <= 40) == (True, True), walk.listing()


async def test_a_record_s_post_runs_through_few_modules(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    """A request that creates a record runs through at most so many modules and calls."""
    walk, application = Walk(), Application(SCHEMA)
    asked = request("/api/v1/claims", {"content": TEXT})

    response = await walk.follow(application.handle(asked, stage.local, SETTINGS))

    report(walk, "A record's POST", record_property)
    assert (201, 1) == (response.status, len(stage.local.queue.take()))
    assert (len(walk.starts) <= 22, walk.calls.total() <= 50) == (True, True), walk.listing()


async def test_a_delivery_runs_through_few_modules(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    """A queue batch that embeds one record runs through at most so many modules and calls."""
    await ask(stage, "/api/v1/claims", {"content": TEXT})
    deliveries = stage.local.queue.take()
    walk = Walk()

    verdicts: RetryDelays = await walk.follow(consume(stage.local, SCHEMA, QUEUE, deliveries))

    report(walk, "A delivery", record_property)
    assert not_described(walk, "One delivery") == set()
    assert [None] == list(verdicts.values())
    assert ["done", "done"] == await stage.jobs()
    assert (len(walk.starts) <= 21, walk.calls.total() <= 75) == (True, True), walk.listing()


async def test_calls_between_modules_count_and_others_do_not() -> None:
    """Of two modules that call each other and themselves, only the calls across count."""
    second = module(
        "second",
        """
        async def pause(): await sleep(0); return within()
        def within(): return 1
        """,
    )
    first = module("first", "async def start(): return await pause() + await pause()", **second)
    walk = Walk()

    assert 2 == await walk.follow(first["start"]())

    assert {(OUTSIDE, "first"): 1, ("first", "second"): 2} == walk.calls
    assert {"first": 1, "second": 4} == walk.starts
    assert "   2 first.start -> second.pause" in walk.listing()


async def test_what_an_adapter_calls_does_not_count() -> None:
    """A function that an adapter calls does not count, and neither does the adapter's own."""
    core = module("core", "def unpack(): return 1")
    adapter = module("cloudflare/adapter", "async def read(): return unpack()", **core)
    walk = Walk()

    assert 1 == await walk.follow(adapter["read"]())

    assert (walk.starts, walk.calls) == ({}, {})


def module(name: str, source: str, **names: Any) -> dict[str, Any]:
    """The names of a module that says it is a file of `cognate`."""
    scope: dict[str, Any] = {"sleep": asyncio.sleep, **names}
    exec(compile(textwrap.dedent(source), f"{COGNATE}{name}.py", "exec"), scope)  # noqa: S102 - of this test
    return scope
