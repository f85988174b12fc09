"""The routes of records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cognate.api.routes.records import RecordAnswer
from cognate.errors import QueueError
from tests.stage.http import ADA, BOB
from tests.stage.http import ApiStage as Stage

PATH = "/api/v1/claims"
BATCH = f"{PATH}/batch"
SEARCH = "/api/v1/similarity/claimSimilarity"
QUERY = {"query": "x"}


async def create(stage: Stage, record_id: str, headers: dict[str, str] = ADA, **fields: Any) -> Any:
    """Creates a claim with this id, and returns its JSON."""
    answer = await stage.ask("POST", PATH, {"id": record_id, "content": "x", **fields}, headers)
    assert answer.status == 201, answer.json
    return answer.json


async def test_a_created_record_is_answered_bare(stage: Stage) -> None:
    """The answer is the record with its defaults, its location and its ETag."""
    answer = await stage.ask("POST", PATH, {"content": "The ferry sank \u00e9"})

    record = answer.json
    assert answer.status == 201
    assert list(record) == ["id", "content", "storyId", "createdAt", "updatedAt"]
    assert (record["content"], record["storyId"]) == ("The ferry sank \u00e9", None)
    assert answer.headers["location"] == f"{PATH}/{record['id']}"
    found = await stage.ask("GET", answer.headers["location"])
    assert (found.status, found.json) == (200, record)
    assert found.headers["etag"] == answer.headers["etag"]
    assert [message["type"] for message in stage.queue.waiting] == ["embedding"]


async def test_a_caller_may_choose_the_id(stage: Stage) -> None:
    """An id that is taken conflicts, and the location encodes the id."""
    body = {"id": "a~b:c", "content": "x"}
    answer = await stage.ask("POST", PATH, body)

    assert (answer.status, answer.headers["location"]) == (201, f"{PATH}/a~b%3Ac")
    assert (await stage.ask("GET", f"{PATH}/a~b%3Ac")).json["id"] == "a~b:c"
    again = await stage.ask("POST", PATH, body)
    assert (again.status, again.code, again.json["layer"]) == (409, "RECORD_EXISTS", "validation")
    assert (await stage.ask("POST", PATH, body, BOB)).status == 201


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/content"]),
        ({"content": 5}, ["/content"]),
        ({"content": "x", "story_id": "s1"}, ["/story_id"]),
        ({"content": "x", "embedding": [1]}, ["/embedding"]),
        ({"content": "x", "organizationId": "org_globex"}, ["/organizationId"]),
        ({"content": "x", "id": 5}, ["/id"]),
        ({"content": "x", "id": "a/b"}, ["/id"]),
        ({"content": "x", "storyId": "\x00"}, ["/storyId"]),
        ({"content": "x", "createdAt": "2026-01-01T00:00:00Z"}, ["/createdAt"]),
        ({"content": "x", "fields": 1, "modelExtra": 2}, ["/fields", "/modelExtra"]),
    ],
)
async def test_broken_rules_are_pointed_at(
    stage: Stage, body: dict[str, Any], pointers: list[str]
) -> None:
    """An invalid record names its fields, and nothing is written or queued."""
    answer = await stage.ask("POST", PATH, body)

    assert (answer.status, answer.pointers) == (400, pointers)
    assert (await stage.ask("GET", PATH)).json["data"] == []
    assert stage.queue.waiting == []


async def test_a_patch_changes_what_it_names(stage: Stage) -> None:
    """The answer is the complete record."""
    await create(stage, "c1", storyId="s1")
    answer = await stage.ask("PATCH", f"{PATH}/c1", {"storyId": None})

    assert answer.status == 200
    assert (answer.json["content"], answer.json["storyId"]) == ("x", None)
    assert answer.headers["etag"] == (await stage.ask("GET", f"{PATH}/c1")).headers["etag"]
    assert (await stage.ask("PATCH", f"{PATH}/c1", {"content": None})).pointers == ["/content"]


async def test_a_deleted_record_is_gone(stage: Stage) -> None:
    """A deleted record is not found, also by a second delete."""
    await create(stage, "c1")
    answer = await stage.ask("DELETE", f"{PATH}/c1")

    assert (answer.status, answer.json) == (200, {"success": True})
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        gone = await stage.ask(method, f"{PATH}/c1", body)
        assert (gone.status, gone.code) == (404, "RECORD_NOT_FOUND")


async def test_if_none_match_saves_the_body(stage: Stage) -> None:
    """A record that did not change is answered by 304 without a body."""
    await create(stage, "c1")
    etag = (await stage.ask("GET", f"{PATH}/c1")).headers["etag"]

    seen = await stage.ask("GET", f"{PATH}/c1", headers={**ADA, "if-none-match": f"W/{etag}"})
    assert (seen.status, seen.body, seen.headers["etag"]) == (304, b"", etag)
    await stage.ask("PATCH", f"{PATH}/c1", {"content": "y"})
    changed = await stage.ask("GET", f"{PATH}/c1", headers={**ADA, "if-none-match": etag})
    assert (changed.status, changed.json["content"]) == (200, "y")


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"content": "mine"}), ("DELETE", None)])
async def test_if_match_protects_against_lost_updates(stage: Stage, method: str, body: Any) -> None:
    """A change with an old ETag is refused, and one with the current ETag is made."""
    await create(stage, "c1")
    stale = {**ADA, "if-match": (await stage.ask("GET", f"{PATH}/c1")).headers["etag"]}
    await stage.ask("PATCH", f"{PATH}/c1", {"content": "theirs"})

    refused = await stage.ask(method, f"{PATH}/c1", body, stale)
    assert (refused.status, refused.code) == (412, "PRECONDITION_FAILED")
    kept = await stage.ask("GET", f"{PATH}/c1")
    assert kept.json["content"] == "theirs"
    fresh = {**ADA, "if-match": kept.headers["etag"]}
    assert (await stage.ask(method, f"{PATH}/c1", body, fresh)).status == 200


async def test_a_list_is_a_page(stage: Stage) -> None:
    """A page has records of the caller's organization and a cursor."""
    for number in range(3):
        await create(stage, f"c{number}", storyId=f"s{number % 2}")
    await create(stage, "c0", BOB, storyId="s0")

    first = (await stage.ask("GET", f"{PATH}?limit=2&total=true&sort=-id")).json
    assert [record["id"] for record in first["data"]] == ["c2", "c1"]
    assert first["pagination"] == {
        "count": 2,
        "limit": 2,
        "nextCursor": first["pagination"]["nextCursor"],
        "hasMore": True,
        "total": 3,
    }
    cursor = first["pagination"]["nextCursor"]
    last = (await stage.ask("GET", f"{PATH}?sort=-id&cursor={cursor}")).json
    assert [record["id"] for record in last["data"]] == ["c0"]
    assert last["pagination"] == {"count": 1, "limit": 50, "nextCursor": None, "hasMore": False}
    narrowed = (await stage.ask("GET", f"{PATH}?storyId.in=s0,s9&content=x")).json["data"]
    assert [record["id"] for record in narrowed] == ["c0", "c2"]
    assert last["data"][0] == (await stage.ask("GET", f"{PATH}/c0")).json


@pytest.mark.parametrize("query", ["limit=0", "story_id=s1", "sort=x", "content=a&content=b"])
async def test_a_list_that_cannot_be_meant_is_refused(stage: Stage, query: str) -> None:
    """The error names the parameter."""
    answer = await stage.ask("GET", f"{PATH}?{query}")

    assert (answer.status, answer.pointers) == (400, [f"?{query.partition('=')[0]}"])


@pytest.mark.parametrize("table", ["nothing", "user", "cognate_jobs", "Claims", "_texts"])
@pytest.mark.parametrize("rest", ["", "/c1", "/batch"])
async def test_an_unknown_table_is_not_there(stage: Stage, table: str, rest: str) -> None:
    """A table that is not in the schema is not found, whatever the database holds."""
    bodies = {"": {"content": "x"}, "/batch": {"operations": [{"operation": "delete", "id": "x"}]}}
    method = "GET" if rest == "/c1" else "POST"
    answer = await stage.ask(method, f"/api/v1/{table}{rest}", bodies.get(rest))

    assert (answer.status, answer.code) == (404, "TABLE_NOT_FOUND")
    assert answer.json["layer"] == "validation"


@pytest.mark.parametrize("path", ["embeddings", "similarity", "vectors/query", "claims/batch"])
async def test_paths_of_the_api_are_no_tables(stage: Stage, path: str) -> None:
    """A path of the API answers only its own methods."""
    answer = await stage.ask("PATCH", f"/api/v1/{path}", {})

    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")


async def test_another_organizations_records_were_never_there(stage: Stage) -> None:
    """Status and body are those of a record that never existed."""
    await create(stage, "theirs", BOB)
    headers = {**ADA, "x-request-id": "same"}

    for method, body in (("GET", None), ("PATCH", {"content": "x"}), ("DELETE", None)):
        answers = [
            await stage.ask(method, f"{PATH}/{record_id}", body, headers)
            for record_id in ("theirs", "nobodys")
        ]
        bodies = [json.dumps(answer.json).replace("nobodys", "theirs") for answer in answers]
        assert bodies[0] == bodies[1]
        assert answers[0].status == 404
    assert (await stage.ask("GET", f"{PATH}/theirs", headers=BOB)).status == 200


async def test_who_may_not_is_told_so(stage: Stage) -> None:
    """The role is checked before the record is looked up."""
    stage.database.change("UPDATE member SET role = 'viewer' WHERE user_id = 'bob'")
    operations = [{"operation": "create", "record": {}}]

    for method, path, body in (
        ("GET", PATH, None),
        ("POST", PATH, {}),
        ("GET", f"{PATH}/c1", None),
        ("PATCH", f"{PATH}/c1", {}),
        ("DELETE", f"{PATH}/c1", None),
    ):
        answer = await stage.ask(method, path, body, BOB)
        assert (answer.status, answer.code) == (403, "ACCESS_DENIED")
        assert answer.json["layer"] == "access"
    batch = (await stage.ask("POST", BATCH, {"operations": operations}, BOB)).json
    assert batch["results"][0]["status"] == 403
    assert stage.queue.waiting == []


async def test_a_batch_has_a_result_for_each_operation(stage: Stage) -> None:
    """Results are in order, and JSON pointers are relative to the operation."""
    await create(stage, "c1")
    await create(stage, "c2")
    operations = [
        {"operation": "create", "record": {"content": "new"}},
        {"operation": "create", "record": {"content": "x"}, "id": "c1"},
        {"operation": "create", "record": {"content": 5}},
        {"operation": "create", "record": {"content": "x"}, "id": "a b"},
        {"operation": "update", "id": "c1", "record": {"content": "y"}},
        {"operation": "delete", "id": "c2", "ifMatch": '"stale"'},
        {"operation": "delete", "id": "missing"},
    ]
    stage.queue.drop()

    answer = await stage.ask("POST", BATCH, {"operations": operations})

    results = answer.json["results"]
    assert answer.status == 207
    assert [result["index"] for result in results] == list(range(7))
    # The id c1 occurs twice, so the second one is refused.
    assert [result["status"] for result in results] == [201, 409, 400, 400, 400, 412, 404]
    assert list(results[0]) == ["index", "status", "record"]
    assert results[0]["record"]["content"] == "new"
    assert results[2]["error"]["errors"][0]["pointer"] == "/record/content"
    assert results[3]["error"]["errors"][0]["pointer"] == "/id"
    assert results[6]["error"]["code"] == "RECORD_NOT_FOUND"
    assert results[6]["error"]["instance"] == BATCH
    assert len(stage.queue.waiting) == 1


async def test_a_batch_can_change_and_delete(stage: Stage) -> None:
    """The result of a delete has `success` in place of a record."""
    await create(stage, "c1")
    await create(stage, "c2")
    operations = [
        {"operation": "update", "id": "c1", "record": {"content": "y"}},
        {"operation": "delete", "id": "c2"},
    ]

    results = (await stage.ask("POST", BATCH, {"operations": operations})).json["results"]

    assert results[0]["record"]["content"] == "y"
    assert results[1] == {"index": 1, "status": 200, "success": True}


async def test_with_fail_fast_the_rest_is_not_attempted(stage: Stage) -> None:
    """Operations after the refused one have their own error code."""
    operations = [
        {"operation": "delete", "id": "missing"},
        {"operation": "create", "record": {"content": "x"}},
    ]
    answer = (await stage.ask("POST", BATCH, {"operations": operations, "failFast": True})).json

    assert [result["status"] for result in answer["results"]] == [404, 424]
    assert answer["results"][1]["error"]["code"] == "NOT_ATTEMPTED"
    assert (await stage.ask("GET", PATH)).json["data"] == []


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [{"operation": "delete", "id": f"c{number}"} for number in range(101)],
        {"operation": "delete", "id": "c1"},
        "all",
    ],
)
async def test_a_batch_that_cannot_be_meant_is_refused_whole(stage: Stage, operations: Any) -> None:
    """An invalid batch changes nothing."""
    answer = await stage.ask("POST", BATCH, {"operations": operations})

    assert (answer.status, answer.code) == (400, "VALIDATION_FAILED")
    assert answer.pointers[0].startswith("/operations")


@pytest.mark.parametrize(
    ("operation", "pointer", "message"),
    [
        (None, "", "must be an object"),
        ("delete", "", "must be an object"),
        ([], "", "must be an object"),
        (
            {"operation": "upsert", "id": "c1"},
            "/operation",
            "must be one of create, update, delete",
        ),
        ({"operation": ["delete"], "id": "c1"}, "/operation", "must be one of create, update"),
        ({"id": "c1"}, "/operation", "must be one of create, update, delete"),
        ({"operation": "delete"}, "/id", "is required"),
        ({"operation": "update", "id": "c1"}, "/record", "is required"),
        ({"operation": "create", "record": []}, "/record", "must be an object"),
        ({"operation": "delete", "id": "c1", "record": {}}, "/record", "is not a field"),
        ({"operation": "delete", "id": 5}, "/id", "must be a string"),
    ],
)
async def test_an_operation_that_cannot_be_understood_is_refused_alone(
    stage: Stage, operation: Any, pointer: str, message: str
) -> None:
    """Without failFast the other operations are done."""
    one, other = ({"operation": "create", "record": {"content": "x"}, "id": n} for n in ("a", "b"))

    answer = await stage.ask("POST", BATCH, {"operations": [one, operation, other]})

    assert 207 == answer.status
    assert [201, 400, 201] == [result["status"] for result in answer.json["results"]]
    [broken] = answer.json["results"][1]["error"]["errors"]
    assert (pointer, True) == (broken["pointer"], broken["message"].startswith(message))
    stopped = {"operations": [operation, operation, other], "failFast": True}
    results = (await stage.ask("POST", BATCH, stopped)).json["results"]
    assert [400, 424, 424] == [result["status"] for result in results]


async def test_where_d1_fails_the_answer_is_503(stage: Stage) -> None:
    """A record and a batch answer 503, without the cause."""
    await create(stage, "c1")
    stage.database.is_away = True

    answer = await stage.ask("PATCH", f"{PATH}/c1", {"content": "y"})
    assert answer.status == 503
    assert "secret" not in answer.body.decode()


async def test_where_the_queue_fails_the_record_is_created(stage: Stage) -> None:
    """The job waits for the sweeper."""
    stage.queue.outage = QueueError("out of reach")

    assert (await create(stage, "c1"))["id"] == "c1"


async def test_head_is_a_list_or_a_record_without_its_body(stage: Stage) -> None:
    """HEAD has the headers of GET."""
    await create(stage, "c1")

    answer = await stage.ask("HEAD", f"{PATH}/c1")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == (await stage.ask("GET", f"{PATH}/c1")).headers["etag"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/embeddings", {"content": "x", "table": "claims", "id": "c1"}),
        ("POST", "/api/v1/embeddings/backfill", {"table": "claims"}),
        ("GET", "/api/v1/embeddings/jobs?table=claims", None),
        ("POST", "/api/v1/embeddings/jobs/retry", {"table": "claims"}),
        ("POST", f"{SEARCH}/search", QUERY),
        ("POST", f"{SEARCH}/gray-zone", QUERY),
        ("POST", f"{SEARCH}/embed", QUERY),
        ("POST", "/api/v1/vectors/query", {"query": "x", "table": "claims"}),
    ],
)
async def test_without_access_to_its_records_a_table_is_closed(
    stage: Stage, method: str, path: str, body: Any
) -> None:
    """Every embedding route of a table needs its role."""
    stage.add_claim("org_acme", "c1")
    stage.add_claim("org_globex", "c1")

    assert (await stage.ask(method, path, body, ADA)).status < 300
    stage.database.change("UPDATE member SET role = 'viewer' WHERE user_id = 'bob'")
    stage.embedder.texts.clear()
    stage.queue.drop()
    answer = await stage.ask(method, path, body, BOB)
    assert (answer.status, answer.code) == (403, "ACCESS_DENIED")
    assert (stage.embedder.texts, stage.queue.waiting) == ([], [])


async def test_a_text_without_a_table_is_anybodys(stage: Stage) -> None:
    """Any member may post, see and search texts without a table."""
    stage.database.change("UPDATE member SET role = 'viewer' WHERE user_id = 'bob'")

    job_id = (await stage.ask("POST", "/api/v1/embeddings", {"content": "x"}, BOB)).json["jobId"]
    assert (await stage.ask("GET", f"/api/v1/embeddings/jobs/{job_id}", headers=BOB)).status == 200
    assert (await stage.ask("POST", "/api/v1/vectors/query", QUERY, BOB)).status == 200


async def test_coverage_is_of_the_tables_that_may_be_read(stage: Stage) -> None:
    """Coverage leaves out a table that the caller may not read."""

    async def tables() -> list[str]:
        answer = (await stage.ask("GET", "/api/v1/embeddings/coverage", headers=BOB)).json
        return [table["name"] for table in answer["tables"]]

    assert await tables() == ["claims"]
    stage.database.change("UPDATE member SET role = 'viewer' WHERE user_id = 'bob'")
    assert await tables() == []


def test_a_field_may_be_called_as_anything_in_python() -> None:
    """A field may have the name of a method of the answer model."""
    fields = {"id": "r1", "cls": "x", "self": 1, "_fields_set": 2, "to_json": [3]}
    fields |= {"model_dump_json": 4, "model_extra": {"a": 5}}

    assert json.loads(RecordAnswer.model_validate(fields).model_dump_json()) == fields
