"""The order of refusals, the headers of every response, and the log event."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from cognate.api.http import MAX_BODY_BYTES
from cognate.api.routing import Call, Reply, Route
from cognate.api.wire import AnswerModel
from cognate.auth.signature import sign
from cognate.errors import ConfigurationError, DatabaseError
from cognate.settings import Settings
from tests.stage.http import ADA, SECRET
from tests.stage.http import ApiStage as Stage
from tests.stage.people import EARLIER

POST = "/api/v1/embeddings"
TABLES = "/api/v1/embeddings/tables"


class CallerAnswer(AnswerModel):
    """The answer of the routes of these tests."""

    caller: str


async def tell_caller(call: Call) -> CallerAnswer:
    """Answers the caller and the organization."""
    return CallerAnswer(caller=f"{call.principal.user_id} of {call.organization_id}")


async def fail_by_accident(call: Call) -> CallerAnswer:
    """Raises an unexpected error that contains a text of the request."""
    raise KeyError(call.request.query["text"][0])


async def fail_by_platform(_call: Call) -> CallerAnswer:
    """Raises an error of an adapter."""
    message = "D1_ERROR: no such table"
    raise DatabaseError(message)


async def answer_anybody(_call: Call) -> CallerAnswer:
    """Answers any caller."""
    return CallerAnswer(caller="anybody")


async def answer_with_headers(_call: Call) -> Reply:
    """Sets a header that every response has, and one of its own."""
    return Reply(CallerAnswer(caller="anybody"), {"cache-control": "public", "etag": '"1"'}, 203)


ROUTES = (
    Route("GET", "/open", "test.open", "Public.", answer_anybody, CallerAnswer, public=True),
    Route("GET", "/caller", "test.caller", "Who asks.", tell_caller, CallerAnswer),
    Route("GET", "/headers", "test.headers", "Headers.", answer_with_headers, CallerAnswer),
    Route("GET", "/accident", "test.accident", "An accident.", fail_by_accident, CallerAnswer),
    Route("GET", "/outage", "test.outage", "An outage.", fail_by_platform, CallerAnswer),
)


@pytest.fixture
def small() -> Stage:
    """An application with these routes only."""
    return Stage(ROUTES)


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Returns the log events."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_caller_acts_for_the_active_organization(small: Stage) -> None:
    """An organization that the request names is ignored."""
    cookie = f"better-auth.session_token={quote(sign('token-of-bob', SECRET), safe='')}"
    named = {"x-organization-id": "org_acme"}

    by_bearer = await small.ask("GET", "/caller?organizationId=org_globex", headers=ADA)
    by_cookie = await small.ask("GET", "/caller", headers={"cookie": cookie, **named})

    assert by_bearer.json == {"caller": "ada of org_acme"}
    assert by_cookie.json == {"caller": "bob of org_globex"}


async def test_refusals_come_in_order(stage: Stage) -> None:
    """A request with every mistake meets the refusals one by one."""
    stage.settings = Settings()
    stage.database.change("UPDATE session SET active_organization_id = NULL")
    headers = {"content-type": "text/plain", "origin": "https://evil.example.com"}
    method, path, raw = "PUT", "/api/v0/embeddings", b"x" * (MAX_BODY_BYTES + 1)
    seen = []

    async def ask() -> None:
        answer = await stage.ask(method, path, headers=headers, raw=raw)
        seen.append((answer.status, answer.code if answer.status >= 400 else ""))

    await ask()
    path = POST
    await ask()
    method = "POST"
    await ask()
    stage.settings = Settings(auth_secret=SECRET)
    await ask()
    headers["cookie"] = "better-auth.session_token=token-of-ada.forged"
    await ask()
    headers["cookie"] = f"better-auth.session_token={quote(sign('token-of-ada', SECRET), safe='')}"
    await ask()
    del headers["origin"]
    await ask()
    stage.database.change(
        "UPDATE session SET active_organization_id = 'org_acme' WHERE user_id = 'ada'"
    )
    await ask()
    headers["content-type"] = "application/json"
    await ask()
    raw = b'{"content": '
    await ask()
    raw = b'{"content": ""}'
    await ask()
    raw = b'{"content": "text", "table": "nothing", "id": "1"}'
    await ask()
    raw = b'{"content": "text", "table": "claims", "id": "1"}'
    await ask()
    stage.add_claim("org_acme", "1")
    await ask()

    assert seen == [
        (404, "ROUTE_NOT_FOUND"),
        (405, "METHOD_NOT_ALLOWED"),
        (503, "CONFIGURATION_MISSING"),
        (401, "CREDENTIAL_MISSING"),
        (401, "CREDENTIAL_INVALID"),
        (403, "ORIGIN_NOT_ALLOWED"),
        (400, "NO_ACTIVE_ORGANIZATION"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (413, "PAYLOAD_TOO_LARGE"),
        (400, "MALFORMED_JSON"),
        (400, "VALIDATION_FAILED"),
        (404, "TABLE_NOT_FOUND"),
        (404, "RECORD_NOT_FOUND"),
        (202, ""),
    ]


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE session SET expires_at = '{EARLIER}'",  # noqa: S608 - a constant
        'UPDATE "user" SET banned = 1',
        "DELETE FROM session",
    ],
    ids=["expired", "banned", "signed out"],
)
async def test_a_dead_session_is_refused(small: Stage, change: str) -> None:
    """The response has a WWW-Authenticate challenge."""
    small.database.change(change)

    answer = await small.ask("GET", "/caller", headers=ADA)

    assert (answer.status, answer.code) == (401, "CREDENTIAL_INVALID")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_outage_of_the_auth_tables_signs_nobody_out(small: Stage) -> None:
    """An outage is answered by 503, without the words of the database."""
    small.database.is_away = True

    answer = await small.ask("GET", "/caller", headers=ADA)

    assert (answer.status, answer.code) == (503, "DATABASE_ERROR")
    assert "retry-after" in answer.headers
    assert b"secret detail" not in answer.body


async def test_a_missing_secret_is_named(small: Stage) -> None:
    """Every route that needs the secret names it."""
    small.settings = Settings()

    answer = await small.ask("GET", "/caller", headers=ADA)

    assert answer.status == 503
    assert "BETTER_AUTH_SECRET" in answer.json["detail"]
    assert small.database.batches == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/caller", 200), ("GET", "/nothing", 404), ("OPTIONS", "/caller", 204)],
)
async def test_every_response_has_the_common_headers(
    small: Stage, method: str, path: str, status: int
) -> None:
    """No response may be cached or sniffed."""
    answer = await small.ask(method, path, headers=ADA)

    assert answer.status == status
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["x-request-id"]


async def test_a_route_adds_headers_and_replaces_none_of_every_response(small: Stage) -> None:
    """A route sets its own headers and status; the headers of every response win."""
    answer = await small.ask("GET", "/headers", headers=ADA)
    again = await small.ask("HEAD", "/headers", headers=ADA)

    assert (answer.status, answer.headers["etag"]) == (203, '"1"')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json == {"caller": "anybody"}
    assert (again.status, again.headers["etag"], again.body) == (203, '"1"', b"")


async def test_head_is_get_without_a_body(small: Stage) -> None:
    """HEAD has the headers of GET, for errors too."""
    found = await small.ask("HEAD", "/caller", headers=ADA)
    missing = await small.ask("HEAD", "/nothing", headers=ADA)

    assert (found.status, found.body) == (200, b"")
    assert found.headers["content-type"] == "application/json"
    assert (missing.status, missing.body) == (404, b"")


@pytest.mark.parametrize(
    "given", ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", "x" * 64, "A.b_c-1"]
)
async def test_a_sane_request_id_is_kept(small: Stage, given: str) -> None:
    """A caller finds its request in the logs by its own id."""
    answer = await small.ask("GET", "/nothing", headers={"x-request-id": given})

    assert answer.headers["x-request-id"] == answer.json["requestId"] == given


@pytest.mark.parametrize("given", ["", " ", "x" * 65, "a b", "-a", "a\nb", "\u00e9", '"'])
async def test_any_other_request_id_is_replaced(small: Stage, given: str) -> None:
    """An id that is unsafe in logs or headers is replaced."""
    answer = await small.ask("GET", "/nothing", headers={"x-request-id": given})

    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-request-id"] == answer.json["requestId"]


async def test_request_ids_differ(small: Stage) -> None:
    """Each request gets its own id."""
    first, second = [(await small.ask("GET", "/caller")).headers["x-request-id"] for _ in range(2)]

    assert first != second


async def test_an_accident_tells_nothing(small: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """The caller learns nothing of an unexpected error, and the log only its class and position."""
    answer = await small.ask("GET", "/accident?text=canary", headers=ADA)
    (event,) = events(capsys)

    assert (answer.status, answer.code) == (500, "INTERNAL")
    assert b"canary" not in answer.body
    assert "canary" not in json.dumps(event)
    assert (event["status"], event["code"]) == (500, "INTERNAL")
    assert event["cause"].startswith("KeyError in ")
    assert "test_application, line " in event["cause"]


async def test_an_outage_is_explained_in_the_log_only(
    small: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message of a platform error is logged, not answered."""
    answer = await small.ask("GET", "/outage", headers=ADA)
    (event,) = events(capsys)

    assert answer.status == 503
    assert b"D1_ERROR" not in answer.body
    assert event["cause"] == "D1_ERROR: no such table"


async def test_each_request_is_one_event(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """The event has no text, credential or path."""
    stage.add_claim("org_acme", "record-canary")
    body = {"content": "text-canary", "table": "claims", "id": "record-canary"}
    await stage.ask("POST", POST, body, {**ADA, "x-request-id": "r1"})
    await stage.ask("GET", "/path-canary", headers={"x-request-id": "r2"})

    logged = events(capsys)

    assert logged == [
        {
            "event": "request.answered",
            "requestId": "r1",
            "method": "POST",
            "route": "embeddings.post",
            "organizationId": "org_acme",
            "status": 202,
            "code": None,
            "cause": None,
        },
        {
            "event": "request.answered",
            "requestId": "r2",
            "method": "GET",
            "route": None,
            "organizationId": None,
            "status": 404,
            "code": "ROUTE_NOT_FOUND",
            "cause": None,
        },
    ]
    assert "canary" not in json.dumps(logged)
    assert "token-of-ada" not in json.dumps(logged)


async def test_a_broken_deployment_is_named_by_every_route_that_needs_it(small: Stage) -> None:
    """Only public and unknown paths are answered as usual."""
    small.broken = [ConfigurationError("S", "S is wrong"), ConfigurationError("T", "T is wrong")]
    small.database.is_away = True

    answers = [await small.ask("GET", path, headers={}) for path in ("/caller", "/open", "/none")]

    assert [answer.status for answer in answers] == [503, 200, 404]
    assert answers[0].json["detail"] == "S is wrong"
    assert answers[0].code == "CONFIGURATION_MISSING"


async def test_a_method_in_lower_case_is_the_same(small: Stage) -> None:
    """The method is read in any case."""
    assert (await small.ask("get", "/caller", headers=ADA)).status == 200


async def test_the_body_is_read_by_no_route_without_one(small: Stage) -> None:
    """The body of a GET is ignored."""
    assert (await small.ask("GET", "/caller", headers=ADA, raw=b"junk")).status == 200


async def test_tables_are_listed(stage: Stage) -> None:
    """An ordinary request is answered by its route."""
    answer = await stage.ask("GET", TABLES)

    assert answer.headers["content-type"] == "application/json"
    assert answer.status == 200
