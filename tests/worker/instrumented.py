"""The Worker of production, with instruments for tests below `/test/`.

It is the `main` of a checkout of its own. Whatever is not below `/test/` is answered by the
untouched `entry.py`, whose ports are written down on their way.
"""

from __future__ import annotations

import importlib
import json
import secrets
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

# The stubs of Pyodide lack it.
import pyodide_js  # type: ignore[import-not-found]
from js import Response
from workers import Request

import entry
from cognate.cloudflare.client import create_embeddings, environment
from cognate.cloudflare.conversion import from_json, to_javascript
from cognate.cloudflare.platform import platform_of
from cognate.errors import CognateError
from cognate.ports import Statement, StoredVectors
from cognate.principal import OrganizationId
from cognate.search import SearchAnswer
from cognate.search.filters import Filter
from cognate.search.nearest import nearest
from cognate.search.similarity import classify
from schema import app
from tests.worker.recording import FAILING_SENDS, recorded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.ports import Platform


def _recorded_platform_of(env: JavaScriptObject) -> Platform:
    return recorded(platform_of(env), secrets.token_hex(4))


setattr(entry, "platform_of", _recorded_platform_of)  # noqa: B010 - the one thing replaced


class Default(entry.Default):
    """The real entry, and the instruments."""

    async def fetch(self, request: Request) -> JavaScriptObject:
        """Answer a request for an instrument, and hand on every other."""
        instrument = INSTRUMENTS.get(urlsplit(request.url).path)
        if instrument is None:
            return await super().fetch(request)
        asked = json.loads(await request.text())
        try:
            answer = await instrument(self, asked)
        except CognateError as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        return Response.new(json.dumps(answer))


async def send_messages(_: Default, asked: dict[str, Any]) -> None:
    """Send any JSON to the queue, as another Worker would: `{"bodies", "delaySeconds"}`."""
    bodies = [{"body": body, "contentType": "json"} for body in asked["bodies"]]
    options = to_javascript({"delaySeconds": asked.get("delaySeconds", 0)})
    await environment().EMBEDDINGS_QUEUE.sendBatch(from_json(json.dumps(bodies)), options)


async def ask_other_worker(_: Default, asked: dict[str, Any]) -> int:
    """Post any JSON to a second Worker that runs beside this one; the status of its answer."""
    options = from_json(json.dumps({"method": "POST", "body": json.dumps(asked)}))
    answer = await environment().OTHER_WORKER.fetch("https://other/", options)
    return int(answer.status)


async def run_messages_page(worker: Default, asked: dict[str, Any]) -> None:
    """Call the function that `docs/messages.md` shows, which a test has put among the modules."""
    embed_text = importlib.import_module("messages_page").embed_text
    await embed_text(worker.env, asked["organizationId"], asked["text"])


async def run_sql(_: Default, asked: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Run one batch on D1: `{"statements": [[sql, parameter, ...], ...]}` to the rows of each."""
    statements = [Statement(sql, tuple(parameters)) for sql, *parameters in asked["statements"]]
    return await platform_of(environment()).database.batch(statements)


async def run_sweeper(worker: Default, asked: dict[str, Any]) -> None:
    """Do what the clock does every minute; also in a broken deployment."""
    with broken_deployment(asked):
        await worker.scheduled(None, None, None)


async def fail_sends(_: Default, asked: dict[str, Any]) -> None:
    """Let the next `count` sends of an `organization` fail."""
    FAILING_SENDS[asked["organization"], asked["type"]] = asked["count"]


async def ask_embeddings(worker: Default, asked: dict[str, Any]) -> Any:
    """Call `create_embeddings(self.env, organization).service.method(text, **options)`."""
    try:
        embeddings = create_embeddings(worker.env, *asked.get("organizations", []))
    except ValueError as error:
        return {"error": type(error).__name__, "message": str(error)}
    service = getattr(embeddings, asked["service"])
    answer = await getattr(service, asked["method"])(asked["text"], **asked["options"])
    if isinstance(answer, SearchAnswer):
        return {**asdict(answer), "iterated": [match.id for match in answer]}
    return answer if isinstance(answer, list) else asdict(answer)


class PartOfEnvironment:
    """The Worker's environment, with some bindings left out or exchanged, and other variables."""

    def __init__(
        self, without: list[str], variables: dict[str, str], exchanged: dict[str, str]
    ) -> None:
        self._without = without
        self._variables = variables
        self._exchanged = exchanged

    def __getattr__(self, name: str) -> Any:
        """The binding or variable of this name; None where it is left out."""
        if name in self._without:
            return None
        binding = self._exchanged.get(name, name)
        return self._variables.get(name) or getattr(environment(), binding, None)


@contextmanager
def broken_deployment(asked: dict[str, Any]) -> Iterator[None]:
    """Let the entry see another environment, by parts that are all optional.

    `{"without": [binding], "variables": {name: value}, "exchanged": {name: other binding}}`
    """
    part = PartOfEnvironment(
        asked.get("without", []), asked.get("variables", {}), asked.get("exchanged", {})
    )
    setattr(entry, "environment", lambda: part)  # noqa: B010 - for this one call
    try:
        yield
    finally:
        setattr(entry, "environment", environment)  # noqa: B010 - as it was


async def ask_broken(worker: Default, asked: dict[str, Any]) -> Any:
    """Send `{"path", "headers"}` to a broken deployment."""
    request = Request(f"https://cognate.test{asked['path']}", headers=asked["headers"])
    with broken_deployment(asked):
        answer = await entry.Default.fetch(worker, request)
    return {"status": answer.status, "body": json.loads(await answer.text())}


async def name_classes(_: Default, asked: dict[str, Any]) -> dict[str, str]:
    """The JavaScript class of each of these bindings."""
    return {name: getattr(environment(), name).constructor.name for name in asked["bindings"]}


async def find_nearest(_: Default, asked: dict[str, Any]) -> dict[str, Any]:
    """Search the claims of an `organization` by a `vector`, as a text is searched."""
    [similarity] = [item for item in app.similarities.values() if item.table.name == "claims"]
    collection = app.collections["claims"]
    found = await nearest(
        platform_of(environment()),
        collection,
        OrganizationId(asked["organization"]),
        StoredVectors.of(asked["vector"]),
        filter=Filter(),
        wanted=10,
    )
    scores = [match.score for match in found.matches]
    verdict = classify(scores[0], similarity.thresholds) if scores else None
    return {"scores": scores, "verdict": verdict, "degraded": found.degraded}


async def measure_heap(_: Default, asked: dict[str, Any]) -> int:  # noqa: ARG001 - as all have it
    """How many bytes of the isolate Python has taken; it never gives one back."""
    size: int = pyodide_js._module.HEAP8.length  # noqa: SLF001 - nothing public says it
    return size


INSTRUMENTS: Final[dict[str, Callable[[Default, dict[str, Any]], Awaitable[Any]]]] = {
    "/test/messages": send_messages,
    "/test/other-worker": ask_other_worker,
    "/test/messages-page": run_messages_page,
    "/test/sql": run_sql,
    "/test/sweeper": run_sweeper,
    "/test/failing-sends": fail_sends,
    "/test/embeddings": ask_embeddings,
    "/test/nearest": find_nearest,
    "/test/broken": ask_broken,
    "/test/classes": name_classes,
    "/test/heap": measure_heap,
}
