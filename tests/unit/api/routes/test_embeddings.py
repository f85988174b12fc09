"""The routes that accept texts to embed."""

from __future__ import annotations

import pytest

from cognate.errors import QueueError
from cognate.models import DEFAULT_MODEL
from cognate.schema import Cognate, Embeddings, Owner, Table
from cognate.text_limits import MAX_TEXT_CHARACTERS
from tests.demonstration import Claim
from tests.stage.http import ADA, BOB
from tests.stage.http import ApiStage as Stage

POST = "/api/v1/embeddings"
BATCH = "/api/v1/embeddings/batch"
JOBS = "/api/v1/embeddings/jobs"
SMALL_MODEL = "@cf/baai/bge-small-en-v1.5"


async def test_a_text_is_queued(stage: Stage) -> None:
    """A text without a table is queued for the named model, or for the default one."""
    answer = await stage.ask("POST", POST, {"content": "a text"})

    job_id = answer.json["jobId"]
    assert answer.status == 202
    assert answer.json == {
        "queued": True,
        "jobId": job_id,
        "table": None,
        "id": None,
        "model": DEFAULT_MODEL,
    }
    assert [message["jobId"] for message in stage.queue.waiting] == [job_id]


async def test_a_record_is_queued(stage: Stage) -> None:
    """The answer repeats the table and the id."""
    stage.add_claim("org_acme", "c1")
    body = {"content": "a text", "table": "claims", "id": "c1", "model": DEFAULT_MODEL}

    answer = await stage.ask("POST", POST, body)

    assert answer.status == 202
    assert answer.json == {"queued": True, "jobId": answer.json["jobId"], **without_content(body)}


@pytest.mark.parametrize("path", [POST, BATCH])
@pytest.mark.parametrize(
    ("body", "model"),
    [
        ({"content": "a text"}, DEFAULT_MODEL),
        ({"content": "a text", "model": None}, DEFAULT_MODEL),
        ({"content": "a text", "model": SMALL_MODEL}, SMALL_MODEL),
        ({"content": "a text", "table": "claims", "id": "c1"}, SMALL_MODEL),
        ({"content": "a text", "table": "claims", "id": "c1", "model": SMALL_MODEL}, SMALL_MODEL),
    ],
)
async def test_the_answer_names_the_model_that_will_be_used(
    path: str, body: dict[str, str], model: str
) -> None:
    """The model is that of the request, else the table's, else the default."""
    small = Table("claims", Claim, embeddings=Embeddings(fields=["content"], model=SMALL_MODEL))
    stage = Stage(schema=Cognate(tables=[small]))
    stage.add_claim("org_acme", "c1")

    answer = await stage.ask("POST", path, {"items": [body]} if path == BATCH else body)

    [queued] = answer.json["results"] if path == BATCH else [answer.json]
    assert model == queued["model"]


def without_content(body: dict[str, str]) -> dict[str, str]:
    """The fields of a request that the answer repeats."""
    return {name: value for name, value in body.items() if name != "content"}


async def test_explicit_nulls_are_not_given(stage: Stage) -> None:
    """A field that is null counts as absent."""
    body = {"content": "a text", "table": None, "id": None, "model": None}

    assert (await stage.ask("POST", POST, body)).status == 202


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/content"]),
        ({"content": None}, ["/content"]),
        ({"content": 5}, ["/content"]),
        ({"content": " \n"}, ["/content"]),
        ({"content": "x" * (MAX_TEXT_CHARACTERS + 1)}, ["/content"]),
        ({"content": "\u6f22" * MAX_TEXT_CHARACTERS}, ["/content"]),
        ({"content": "a\x00b"}, ["/content"]),
        ({"content": "x", "table": "claims"}, ["/id"]),
        ({"content": "x", "id": "c1"}, ["/id"]),
        ({"content": "x", "table": "", "id": ""}, ["/table", "/id"]),
        ({"content": "x", "table": 1, "id": 2}, ["/table", "/id"]),
        ({"content": "x", "organizationId": "org_globex"}, ["/organizationId"]),
        ({"content": "x", "organization_id": "org_globex"}, ["/organization_id"]),
        ({"content": "x", "model": "@cf/nobody/nothing"}, ["/model"]),
        ({"content": "x", "model": ["a"]}, ["/model"]),
    ],
)
async def test_broken_rules_are_pointed_at(
    stage: Stage, body: dict[str, object], pointers: list[str]
) -> None:
    """An invalid request names its fields and queues nothing."""
    answer = await stage.ask("POST", POST, body)

    assert answer.status == 400
    assert answer.pointers == pointers
    assert stage.queue.waiting == []


async def test_a_record_of_another_organization_does_not_exist(stage: Stage) -> None:
    """Status and body are those of a record that never existed."""
    stage.add_claim("org_acme", "c1")

    async def ask(record_id: str) -> tuple[int, dict[str, object]]:
        body = {"content": "x", "table": "claims", "id": record_id}
        answer = await stage.ask("POST", POST, body, {**BOB, "x-request-id": "same"})
        return answer.status, answer.json

    assert await ask("c1") == await ask("c2")
    assert (await ask("c1"))[0] == 404
    assert stage.queue.waiting == []


@pytest.mark.parametrize("table", ["nothing", "user", "session", "cognate_jobs", "notes", "Claims"])
async def test_only_tables_with_embeddings_take_texts(stage: Stage, table: str) -> None:
    """A table without embeddings is not found, and neither is any other table of the database."""
    answer = await stage.ask("POST", POST, {"content": "x", "table": table, "id": "1"})

    assert (answer.status, answer.code) == (404, "TABLE_NOT_FOUND")


async def test_another_model_than_the_tables_is_refused(stage: Stage) -> None:
    """A record is embedded by the model of its table only."""
    stage.add_claim("org_acme", "c1")
    body = {"content": "x", "table": "claims", "id": "c1", "model": "@cf/baai/bge-m3"}

    answer = await stage.ask("POST", POST, body)

    assert (answer.status, answer.code) == (422, "MODEL_MISMATCH")
    assert DEFAULT_MODEL in answer.json["detail"]


async def test_a_queue_in_an_outage_loses_nothing(stage: Stage) -> None:
    """The job is stored although its message cannot be sent."""
    stage.queue.outage = QueueError("out of reach")

    answer = await stage.ask("POST", POST, {"content": "x"})

    assert answer.status == 202
    assert (await stage.ask("GET", f"{JOBS}/{answer.json['jobId']}")).json["status"] == "queued"


async def test_tables_with_embeddings_are_listed(stage: Stage) -> None:
    """The list has exactly these keys, and no table without embeddings."""
    answer = await stage.ask("GET", "/api/v1/embeddings/tables")

    assert answer.json == {
        "tables": [{"name": "claims", "embeddingColumn": "embedding", "model": DEFAULT_MODEL}]
    }


AGAIN = {**ADA, "idempotency-key": "order-66"}


async def test_a_request_under_a_key_is_answered_again(stage: Stage) -> None:
    """A repeated key returns the first answer, and a header says so."""
    first = await stage.ask("POST", POST, {"content": "x"}, AGAIN)

    again = await stage.ask("POST", POST, {"content": "x", "table": None}, AGAIN)

    assert (first.status, again.status) == (202, 202)
    assert again.body == first.body
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(stage.queue.waiting) == 1


async def test_another_request_under_the_key_conflicts(stage: Stage) -> None:
    """A key cannot be used again with another body or another route."""
    await stage.ask("POST", POST, {"content": "x"}, AGAIN)

    other = await stage.ask("POST", POST, {"content": "y"}, AGAIN)
    batch = await stage.ask("POST", BATCH, {"items": [{"content": "x"}]}, AGAIN)

    for answer in (other, batch):
        assert (answer.status, answer.code) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len(stage.queue.waiting) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä", "tab\t"])
async def test_a_key_is_visible_ascii(stage: Stage, key: str) -> None:
    """A key that is empty, too long or not visible ASCII is refused, and nothing is queued."""
    headers = {**ADA, "idempotency-key": key}

    answer = await stage.ask("POST", POST, {"content": "x"}, headers)

    assert (answer.status, answer.code) == (400, "IDEMPOTENCY_KEY_INVALID")
    assert stage.queue.waiting == []
    longest = {**ADA, "idempotency-key": "~" * 255}
    assert (await stage.ask("POST", POST, {"content": "x"}, longest)).status == 202


async def test_a_batch_has_one_result_for_each_item(stage: Stage) -> None:
    """Each result is what the route for a single item answers."""
    stage.add_claim("org_acme", "c1")
    stage.add_claim("org_globex", "c2")
    items: list[dict[str, object]] = [
        {"content": "x", "table": "claims", "id": "c1", "model": DEFAULT_MODEL},
        {"content": "x", "table": "claims", "id": "c2"},
        {"content": "x", "table": "nothing", "id": "c2"},
        {"content": " "},
        {"content": "x", "model": "@cf/nobody/nothing"},
        {"content": "x", "table": "claims", "id": "c1", "model": "@cf/baai/bge-m3"},
        {"content": "x"},
    ]

    answer = await stage.ask("POST", BATCH, {"items": items}, {**ADA, "x-request-id": "same"})

    assert answer.status == 207
    results = answer.json["results"]
    assert [result["index"] for result in results] == list(range(len(items)))
    for item, result in zip(items, results, strict=True):
        alone = await stage.ask("POST", POST, item, {**ADA, "x-request-id": "same"})
        assert result["status"] == alone.status
        if alone.status == 202:
            body = {
                name: value for name, value in result.items() if name not in {"index", "status"}
            }
            assert {**body, "jobId": ""} == {**alone.json, "jobId": ""}
        else:
            assert {**result["error"], "instance": POST} == alone.json


@pytest.mark.parametrize("item", [None, "x", 5, True, [], [{"content": "x"}]])
async def test_an_item_that_is_no_object_is_refused_alone(stage: Stage, item: object) -> None:
    """The other items of the batch are queued."""
    answer = await stage.ask("POST", BATCH, {"items": [{"content": "x"}, item, {"content": "y"}]})

    assert 207 == answer.status
    assert [202, 400, 202] == [result["status"] for result in answer.json["results"]]
    [broken] = answer.json["results"][1]["error"]["errors"]
    assert {"pointer": "", "message": "must be an object"} == broken
    assert 2 == len(stage.queue.waiting)


async def test_a_batch_for_owned_records_reads_once_whatever_its_size() -> None:
    """The owners of the records are read once, for one item and for a hundred."""
    owned = Table(
        "claims",
        Claim,
        embeddings=Embeddings(fields=["content"]),
        owner=Owner("story_id", only=["update"], unless=[]),
    )
    calls = []
    for size in (1, 100):
        stage = Stage(schema=Cognate(tables=[owned]))
        for number in range(size):
            stage.database.insert(
                "claims",
                organization_id="org_acme",
                id=f"c{number}",
                content="text",
                story_id="bob" if number == 7 else "ada",
            )
        items = [{"content": "x", "table": "claims", "id": f"c{n}"} for n in range(size)]
        before = len(stage.database.batches)

        answer = await stage.ask("POST", BATCH, {"items": items})

        calls.append(len(stage.database.batches) - before)
        statuses = [result["status"] for result in answer.json["results"]]
        assert [403 if number == 7 else 202 for number in range(size)] == statuses
    assert calls[0] == calls[1]


async def test_a_batch_under_a_key_is_answered_again(stage: Stage) -> None:
    """A repeated key returns accepted and refused items alike."""
    stage.add_claim("org_acme", "c1")
    body = {"items": [{"content": "x", "table": "claims", "id": name} for name in ("c1", "c2")]}
    headers = {**AGAIN, "x-request-id": "same"}

    first, again = (
        await stage.ask("POST", BATCH, body, headers),
        await stage.ask("POST", BATCH, body, headers),
    )

    assert [result["status"] for result in first.json["results"]] == [202, 404]
    assert again.body == first.body
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/items"),
        ({"items": []}, "/items"),
        ({"items": [{"content": "x"}] * 101}, "/items"),
        ({"items": {"0": {"content": "x"}}}, "/items"),
    ],
)
async def test_a_batch_has_one_to_a_hundred_items(
    stage: Stage, body: dict[str, object], pointer: str
) -> None:
    """A batch that is empty, too long or not an array is refused."""
    assert (await stage.ask("POST", BATCH, body)).pointers == [pointer]
    assert (await stage.ask("POST", BATCH, {"items": [{"content": "x"}] * 100})).status == 207
