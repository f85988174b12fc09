"""A stand-in for Cloudflare's API over a `FakeAccount`, so that the real wrangler deploys into it.

The paths are those that the pinned wrangler asks for; any other one is answered with 404 and noted.
What Cloudflare itself answers is known from its documentation only.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from local.running.loopback import HOST
from tests.deploying.account import MADE_ON, FakeAccount

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Given = dict[str, Any]
    Reply = tuple[int, Any]

PREFIX: Final = "/client/v4"
WORKER_NOT_FOUND: Final = 10007


class FakeCloudflare:
    """The running API; a context manager.

    Attributes:
        account: what it serves.
        database: the tables of the one D1 database that is queried.
        triggers: what wrangler configured to call the Worker.
        unknown: requests that it could not answer.
    """

    def __init__(self, account: FakeAccount) -> None:
        self.account = account
        self.database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.triggers: list[Any] = []
        self.unknown: list[str] = []
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which wrangler asks this API."""
        return {
            "CLOUDFLARE_API_BASE_URL": f"http://{HOST}:{self._server.server_port}{PREFIX}",
            "CLOUDFLARE_API_TOKEN": "a-token",
            "NO_PROXY": HOST,
            "no_proxy": HOST,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.database.close()

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Reply:
        """The status and the envelope of an answer."""
        for pattern, reply in ROUTES.items():
            found = re.fullmatch(pattern, f"{method} {path}")
            if found is not None:
                return reply(self, {"body": body, "query": query, **found.groupdict()})
        self.unknown.append(f"{method} {path}")
        return refused(404, 7003, "no route for that URI")


def done(result: Any, **more: Any) -> Reply:
    """A success."""
    return 200, {"success": True, "errors": [], "messages": [], "result": result, **more}


def refused(status: int, code: int, message: str) -> Reply:
    """A failure."""
    errors = [{"code": code, "message": message}]
    return status, {"success": False, "errors": errors, "messages": [], "result": None}


def changed(allowed: object, result: Any) -> Reply:
    """The result of a change, unless the account refused it."""
    return done(result) if allowed else refused(500, 10001, "the platform is out of order")


def list_databases(api: FakeCloudflare, _: Given) -> Reply:
    """`wrangler d1 list`."""
    return done([{"uuid": id_, "name": name} for name, id_ in api.account.databases.items()])


def create_database(api: FakeCloudflare, given: Given) -> Reply:
    """`wrangler d1 create`."""
    asked = json.loads(given["body"])
    place = "primary_location_hint" if "primary_location_hint" in asked else "jurisdiction"
    option = "location" if place == "primary_location_hint" else place
    allowed = api.account.create_database(asked["name"], f"{option}={asked[place]}")
    id_ = api.account.databases.get(asked["name"])
    return changed(allowed, {"uuid": id_, "name": asked["name"], "created_in_region": "WEUR"})


def get_database(api: FakeCloudflare, given: Given) -> Reply:
    """A database by its name or id."""
    for name, id_ in api.account.databases.items():
        if given["name"] in (name, id_):
            return done({"uuid": id_, "name": name})
    return refused(404, 7404, "The database could not be found")


def query_database(api: FakeCloudflare, given: Given) -> Reply:
    """`wrangler d1 migrations apply`: several statements, one result each."""
    sql = str(json.loads(given["body"])["sql"])
    is_first = "INSERT INTO" in sql and not api.account.migrated
    if is_first and not api.account.migrate():
        return refused(500, 10001, "the platform is out of order")
    results, statement = [], ""
    for part in re.split(r"(?<=;)", f"{sql};"):
        statement += part
        if sqlite3.complete_statement(statement) and statement.strip() != ";":
            cursor = api.database.execute(statement)
            names = [column[0] for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
            results.append({"results": rows, "success": True, "meta": {"duration": 0}})
            statement = ""
    return done(results)


def list_queues(api: FakeCloudflare, given: Given) -> Reply:
    """`wrangler queues info`, and the check before a deployment."""
    wanted = given["query"].get("name", api.account.queues)
    queues = [queue(name) for name in api.account.queues if name in wanted]
    pages = {"page": 1, "per_page": 100, "total_pages": 1}
    return done(queues, result_info={**pages, "count": len(queues), "total_count": len(queues)})


def create_queue(api: FakeCloudflare, given: Given) -> Reply:
    """`wrangler queues create`."""
    name = json.loads(given["body"])["queue_name"]
    return changed(api.account.create_queue(name), queue(name))


def queue(name: str) -> dict[str, Any]:
    """A queue as it is listed."""
    empty = {"producers_total_count": 0, "consumers_total_count": 0}
    made = {"created_on": MADE_ON, "modified_on": MADE_ON}
    return {
        "queue_id": f"id-of-{name}",
        "queue_name": name,
        **empty,
        **made,
        "producers": [],
        "consumers": [],
    }


def list_indexes(api: FakeCloudflare, _: Given) -> Reply:
    """`wrangler vectorize list`."""
    made = {"created_on": MADE_ON, "modified_on": MADE_ON}
    return done(
        [
            {
                "name": name,
                "config": {"dimensions": index["dimensions"], "metric": index["metric"]},
                **made,
            }
            for name, index in api.account.indexes.items()
        ]
    )


def create_index(api: FakeCloudflare, given: Given) -> Reply:
    """`wrangler vectorize create`."""
    asked = json.loads(given["body"])
    config = asked["config"]
    made = api.account.create_index(asked["name"], config["dimensions"], config["metric"])
    return changed(made, {"name": asked["name"], "config": config})


def list_metadata(api: FakeCloudflare, given: Given) -> Reply:
    """`wrangler vectorize list-metadata-index`."""
    metadata = api.account.indexes[given["name"]]["metadata"]
    listed = [{"propertyName": key, "indexType": kind} for key, kind in metadata.items()]
    return done({"metadataIndexes": listed})


def create_metadata(api: FakeCloudflare, given: Given) -> Reply:
    """`wrangler vectorize create-metadata-index`."""
    asked = json.loads(given["body"])
    key, kind = asked["propertyName"], asked["indexType"]
    made = api.account.create_metadata_index(given["name"], key, kind)
    return changed(made, {"mutationId": "mutation-id"})


def list_secrets(api: FakeCloudflare, _: Given) -> Reply:
    """`wrangler secret list`."""
    if api.account.secrets is None:
        return refused(404, WORKER_NOT_FOUND, "workers.api.error.script_not_found")
    return done([{"name": name, "type": "secret_text"} for name in api.account.secrets])


def upload(api: FakeCloudflare, given: Given) -> Reply:
    """`wrangler deploy`: the metadata of the upload names the bindings, secrets among them."""
    [metadata] = re.findall(rb'name="metadata"\r\n\r\n(.*?)\r\n--', given["body"], flags=re.DOTALL)
    bindings = json.loads(metadata)["bindings"]
    secrets = {each["name"]: each["text"] for each in bindings if each["type"] == "secret_text"}
    return changed(
        api.account.deploy(secrets),
        {
            "id": "cognate",
            "deployment_id": "d",
            "startup_time_ms": 1,
            "resources": {"script": {"etag": "an-etag"}},
        },
    )


def of_worker(api: FakeCloudflare, result: Any) -> Reply:
    """Something of the Worker, once it is deployed."""
    if api.account.secrets is None:
        return refused(404, WORKER_NOT_FOUND, "workers.api.error.script_not_found")
    return done(result)


def get_service(api: FakeCloudflare, _: Given) -> Reply:
    """Whether there is such a Worker, and who deployed it last."""
    script = {"last_deployed_from": "wrangler", "tag": "a-tag", "tags": []}
    return of_worker(api, {"default_environment": {"environment": "production", "script": script}})


def get_settings(api: FakeCloudflare, _: Given) -> Reply:
    """Its bindings, which a deployment without an id of a database goes by."""
    return of_worker(api, {"bindings": [], "migration_tag": None})


def list_deployments(api: FakeCloudflare, _: Given) -> Reply:
    """What runs."""
    return of_worker(api, {"deployments": []})


def get_worker(api: FakeCloudflare, _: Given) -> Reply:
    """Where it is reached."""
    return of_worker(api, {"id": "cognate", "name": "cognate", "subdomain": {"enabled": False}})


def add_trigger(api: FakeCloudflare, given: Given) -> Reply:
    """What calls the Worker: a host name, the clock, a queue."""
    api.triggers.append(json.loads(given["body"]))
    return done({})


def empty(_: FakeCloudflare, __: Given) -> Reply:
    """An answer that nobody looks into."""
    return done({})


ACCOUNT: Final = "/accounts/account-id"
INDEXES: Final = f"{ACCOUNT}/vectorize/v2/indexes"
WORKER: Final = f"{ACCOUNT}/workers/scripts/cognate"
ROUTES: Final[dict[str, Callable[[FakeCloudflare, Given], Reply]]] = {
    "GET /user/tokens/verify": lambda *_: done({"id": "token-id", "status": "active"}),
    "GET /user": lambda *_: done({"id": "user-id", "email": "somebody@example.com"}),
    "GET /(accounts)": lambda api, _: done(
        [{"id": id_, "name": name} for id_, name in api.account.accounts]
    ),
    "GET /memberships": lambda api, _: done(
        [{"account": {"id": id_, "name": name}} for id_, name in api.account.accounts]
    ),
    f"GET {ACCOUNT}/d1/database": list_databases,
    f"POST {ACCOUNT}/d1/database": create_database,
    f"GET {ACCOUNT}/d1/database/(?P<name>[^/]+)": get_database,
    f"POST {ACCOUNT}/d1/database/[^/]+/query": query_database,
    f"GET {ACCOUNT}/queues": list_queues,
    f"POST {ACCOUNT}/queues": create_queue,
    f"GET {INDEXES}": list_indexes,
    f"POST {INDEXES}": create_index,
    f"GET {INDEXES}/(?P<name>[^/]+)/metadata_index/list": list_metadata,
    f"POST {INDEXES}/(?P<name>[^/]+)/metadata_index/create": create_metadata,
    f"GET {WORKER}/secrets": list_secrets,
    f"PUT {WORKER}": upload,
    f"GET {ACCOUNT}/workers/services/cognate": get_service,
    f"GET {WORKER}/settings": get_settings,
    f"GET {WORKER}/deployments": list_deployments,
    f"GET {ACCOUNT}/workers/workers/cognate": get_worker,
    f"POST {WORKER}/versions": upload,
    f"POST {WORKER}/deployments": empty,
    f"POST {WORKER}/subdomain": lambda *_: done({"enabled": False, "previews_enabled": False}),
    f"PATCH {WORKER}/script-settings": empty,
    f"POST {WORKER}/domains/changeset": lambda *_: done(
        {"added": [], "removed": [], "updated": [], "conflicting": []}
    ),
    f"PUT {WORKER}/domains/records": add_trigger,
    f"PUT {WORKER}/schedules": add_trigger,
    f"POST {ACCOUNT}/queues/[^/]+/consumers": add_trigger,
}


def _handler(api: FakeCloudflare) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            address = urlsplit(self.path)
            body = self._body()
            path = address.path.removeprefix(PREFIX)
            status, envelope = api.answer(self.command, path, parse_qs(address.query), body)
            content = json.dumps(envelope).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def __getattr__(self, name: str) -> Callable[[], None]:
            """Answer each method in one way."""
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler
