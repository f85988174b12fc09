"""The life of a record in the Worker itself: over D1, the queue, Workers AI and Vectorize."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from cognate.ids import vector_key
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from tests.worker.instruments import Instruments
    from tests.worker.organization import Organization

SERVICE: Final = "claimSimilarity"
INDEX: Final = "VECTORIZE"

FERRY: Final = "The ferry to the island was cancelled because of the storm"
ODD: Final = "'); DROP TABLE claims; -- \" \\ \u2028 \U0001f600 \u00e9\t\n ?1"


def _found(organization: Organization, query: str) -> list[str]:
    return [result["id"] for result in organization.search(SERVICE, query)["results"]]


def _vectors(instrumented: Instruments, organization: Organization, record_id: str) -> list[Any]:
    """The metadata of a claim's vectors."""
    key = vector_key(organization.demo.id, "claims", record_id)
    return [found for name, found in instrumented.vectors(INDEX).items() if name.startswith(key)]


def test_a_record_is_found_from_its_creation_to_its_deletion(instrumented: Instruments) -> None:
    """By its text of the time; a change of metadata alone asks no model."""
    organization = instrumented.organization("records-life")
    created = organization.post("/claims", {"content": FERRY, "storyId": "s1"})
    record = created.json()
    assert created.status_code == 201
    assert record["id"].startswith("claim_")
    assert created.headers["location"] == f"/api/v1/claims/{record['id']}"
    organization.settle("claims", record["id"])
    assert _found(organization, FERRY) == [record["id"]]
    # Its vectors are in its row now, and in no answer; they make it no other record.
    read = organization.get(f"/claims/{record['id']}")
    assert (read.json(), read.headers["etag"]) == (record, created.headers["etag"])

    instrumented.reset_calls()
    patched = organization.patch(f"/claims/{record['id']}", {"storyId": "s2"})
    assert (patched.status_code, patched.json()["storyId"]) == (200, "s2")
    organization.settle("claims", record["id"])
    assert "AI.run" not in instrumented.calls()["calls"]
    [metadata] = _vectors(instrumented, organization, record["id"])
    assert metadata["storyId"] == "s2"

    organization.patch(f"/claims/{record['id']}", {"content": "A cookbook of forty grandmothers"})
    organization.settle("claims", record["id"])
    assert _found(organization, FERRY) == []
    assert _found(organization, "A cookbook of forty grandmothers") == [record["id"]]

    assert organization.delete(f"/claims/{record['id']}").json() == {"success": True}
    assert _found(organization, "A cookbook of forty grandmothers") == []
    assert organization.get(f"/claims/{record['id']}").status_code == 404
    wait_for(
        lambda: not _vectors(instrumented, organization, record["id"]), "the vectors are removed"
    )


def test_any_value_comes_back_from_d1_as_it_was(instrumented: Instruments) -> None:
    """Odd texts, the largest and the smallest, numbers and nulls; and each is found by a filter."""
    organization = instrumented.organization("records-values")
    values: list[dict[str, Any]] = [
        {"section": ODD, "year": 2**53 - 1},
        {"section": "", "year": -(2**53) + 1},
        {"section": None, "year": None},
        {"section": "z" * 300, "year": 0},
    ]
    for number, value in enumerate(values):
        fields = {"id": f"a{number}", "title": "x", "body": "\U0001f600" * 20_000, **value}
        answer = organization.post("/articles", fields)
        assert answer.status_code == 201, answer.text
        assert {name: answer.json()[name] for name in fields} == fields
        assert organization.get(f"/articles/a{number}").json() == answer.json()
        for name, sent in value.items():
            given = "null" if sent is None else str(sent)
            listed = organization.get("/articles", params={name: given}).json()["data"]
            assert [record["id"] for record in listed] == [f"a{number}"]
        changed = organization.patch(f"/articles/a{number}", {"title": "y"})
        assert changed.json() == {
            **answer.json(),
            "title": "y",
            "updatedAt": changed.json()["updatedAt"],
        }
    large = organization.post("/articles", {"title": "x", "body": '"' * 80_000})
    assert large.status_code == 201
    assert organization.patch(f"/articles/{large.json()['id']}", {"title": "y"}).status_code == 200


def test_a_list_has_every_record_once(instrumented: Instruments) -> None:
    """In pages, in each order, with ties and without values; a hundred are written at once."""
    organization = instrumented.organization("records-list")
    operations = [
        {
            "operation": "create",
            "id": f"a{number:02}",
            "record": {"title": "x" * (number % 3), "body": "x", "year": [None, 1, 2][number % 3]},
        }
        for number in range(100)
    ]
    answer = organization.post("/articles/batch", {"operations": operations})
    assert {result["status"] for result in answer.json()["results"]} == {201}

    for sort in ("id", "-id", "year", "-year", "title", "-title", "createdAt"):
        pages, query = [], {"sort": sort, "limit": "30", "total": "true"}
        while True:
            page = organization.get("/articles", params=query).json()
            assert page["pagination"]["total"] == 100
            pages.append([record["id"] for record in page["data"]])
            if not page["pagination"]["hasMore"]:
                break
            query["cursor"] = page["pagination"]["nextCursor"]
        found = [record_id for page in pages for record_id in page]
        assert [len(page) for page in pages] == [30, 30, 30, 10]
        assert len(set(found)) == 100
        if sort in {"year", "-year"}:
            assert {int(record_id[1:]) % 3 for record_id in found[-34:]} == {0}


def test_of_many_changes_at_once_none_is_lost(instrumented: Instruments) -> None:
    """Those that know what they change are refused when it has changed; all others are merged."""
    organization = instrumented.organization("records-race")
    created = organization.post("/articles", {"id": "a1", "title": "x", "body": "x"})
    path = "/articles/a1"

    def claim(number: int) -> int:
        headers = {**organization.headers, "if-match": created.headers["etag"]}
        answer = organization.http.patch(f"/api/v1{path}", headers=headers, json={"year": number})
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(claim, range(8))) == [200] + [412] * 7

    changes = [{"title": "title"}, {"body": "body"}, {"section": "section"}, {"year": 2026}]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda change: organization.patch(path, change), changes))
    assert {answer.status_code for answer in answers} == {200}
    record = organization.get(path).json()
    assert [record[name] for name in ("title", "body", "section", "year")] == [
        "title",
        "body",
        "section",
        2026,
    ]

    def create(_: int) -> int:
        return organization.post("/claims", {"id": "once", "content": "x"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(8))) == [201] + [409] * 7


def test_a_batch_costs_as_many_calls_as_one_record(instrumented: Instruments) -> None:
    """A hundred creations are one D1 write and one `sendBatch`; each has a result."""
    organization = instrumented.organization("records-batch")
    operations: list[dict[str, Any]] = [
        {"operation": "create", "id": f"c{number}", "record": {"content": f"Claim {number}"}}
        for number in range(98)
    ]
    operations += [
        {"operation": "create", "record": {"content": None}},
        {"operation": "delete", "id": "missing"},
    ]

    answer = organization.post("/claims/batch", {"operations": operations})

    statuses = [result["status"] for result in answer.json()["results"]]
    assert statuses == [201] * 98 + [400, 404]
    for number in (0, 97):
        organization.settle("claims", f"c{number}")
    deletes = [{"operation": "delete", "id": f"c{number}"} for number in range(98)]
    gone = organization.post("/claims/batch", {"operations": deletes}).json()["results"]
    assert {result["status"] for result in gone} == {200}
    assert organization.get("/claims").json()["data"] == []
    wait_for(
        lambda: not any(_vectors(instrumented, organization, f"c{n}") for n in range(98)),
        "the vectors of all are removed",
    )
