"""Long articles in the Worker itself, and who may do what with them: as the sample schema says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from cognate.ids import vector_key
from local.demo.organizations import SESSION_EXPIRES_AT, DemoOrganization
from tests.worker.organization import Organization
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    import httpx

    from tests.worker.instruments import Instruments

SERVICE: Final = "articleSimilarity"
INDEX: Final = "VECTORIZE_384"
FRONTEND: Final = "http://localhost:5173"

FILLER: Final = (
    "The council met on a Tuesday and discussed the budget of the coming year at length. "
    "Several members asked for more money for roads, and others for less. "
)
NEEDLE: Final = "An octopus escaped from the aquarium through a drain pipe at night."
LONG: Final = FILLER * 25 + NEEDLE + " " + FILLER * 25


def _colleague(instrumented: Instruments, organization: Organization, role: str) -> Organization:
    """Another member of the organization, with this role, signed in."""
    person = DemoOrganization(f"{organization.demo.slug}-{role}", "", "")
    user, organization_id = person.user_id, organization.demo.id
    instrumented.sql("INSERT INTO user (id, name, email) VALUES (?1, ?1, ?1)", user)
    instrumented.sql(
        "INSERT INTO member (id, organization_id, user_id, role) VALUES (?1, ?2, ?1, ?3)",
        user,
        organization_id,
        role,
    )
    instrumented.sql(
        "INSERT INTO session (id, token, user_id, expires_at, active_organization_id) "
        "VALUES (?1, ?2, ?1, ?3, ?4)",
        user,
        person.session_token,
        SESSION_EXPIRES_AT,
        organization_id,
    )
    return Organization(organization.http, person)


def _vectors(instrumented: Instruments, organization: Organization, record_id: str) -> list[str]:
    """The ids of an article's vectors."""
    key = vector_key(organization.demo.id, "articles", record_id)
    return [name for name in instrumented.vectors(INDEX) if name.startswith(key)]


def test_a_sentence_in_the_middle_of_a_long_article_is_found(instrumented: Instruments) -> None:
    """The result says where; a shorter article loses the vectors that it needs no more."""
    organization = instrumented.organization("articles-long")
    title = "Minutes of the council"
    record_id = organization.write("articles", title=title, body=LONG)
    text = f"{title}\n\n{LONG}"
    chunks = len(_vectors(instrumented, organization, record_id))
    assert chunks > 2

    [best] = organization.search(SERVICE, NEEDLE, threshold=0, limit=1)["results"]

    assert best["id"] == record_id
    part = text[best["chunk"]["start"] : best["chunk"]["end"]]
    assert NEEDLE in part
    assert len(part) < len(text) / 2

    organization.patch(f"/articles/{record_id}", {"body": FILLER})
    organization.settle("articles", record_id)
    wait_for(
        lambda: len(_vectors(instrumented, organization, record_id)) == 1, "surplus chunks are gone"
    )
    [best] = organization.search(SERVICE, NEEDLE, threshold=-1, limit=1)["results"]
    assert best["chunk"] == {"start": 0, "end": len(f"{title}\n\n{FILLER}")}
    assert best["score"] < 0.5


def test_only_admins_delete_articles(instrumented: Instruments) -> None:
    """A member who tries is told so, alone or in a batch, and nothing is changed or queued."""
    owner = instrumented.organization("articles-access")
    member = _colleague(instrumented, owner, "member")
    admin = _colleague(instrumented, owner, "admin")
    record_id = owner.write("articles", title="A title", body="A body")
    jobs = owner.get("/embeddings/jobs").json()

    refused = member.delete(f"/articles/{record_id}")
    batch = member.post(
        "/articles/batch", {"operations": [{"operation": "delete", "id": record_id}]}
    )

    assert (refused.status_code, refused.json()["code"]) == (403, "ACCESS_DENIED")
    assert refused.json()["layer"] == "access"
    assert [result["error"]["code"] for result in batch.json()["results"]] == ["ACCESS_DENIED"]
    assert member.get(f"/articles/{record_id}").json() == (
        owner.get(f"/articles/{record_id}").json()
    )
    assert owner.get("/embeddings/jobs").json() == jobs
    assert member.patch(f"/articles/{record_id}", {"title": "Another"}).status_code == 200
    assert admin.delete(f"/articles/{record_id}").status_code == 200
    assert member.get(f"/articles/{record_id}").status_code == 404


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_frontend_may_change_what_it_has_seen(instrumented: Instruments, method: str) -> None:
    """A browser asks first whether it may send `If-Match`, and may read the ETag for it."""
    organization = instrumented.organization(f"articles-cors-{method.lower()}")
    created = organization.post("/articles", {"title": "A title", "body": "A body"})
    path = f"/api/v1/articles/{created.json()['id']}"

    preflight = organization.http.options(
        path,
        headers={
            "origin": FRONTEND,
            "access-control-request-method": method,
            "access-control-request-headers": "authorization,content-type,if-match",
        },
    )

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == FRONTEND
    assert method in preflight.headers["access-control-allow-methods"].split(", ")
    assert "if-match" in preflight.headers["access-control-allow-headers"].split(", ")
    stale = _change(organization, method, path, '"something else"')
    assert (stale.status_code, stale.json()["code"]) == (412, "PRECONDITION_FAILED")
    assert "ETag" in stale.headers["access-control-expose-headers"].split(", ")
    assert _change(organization, method, path, created.headers["etag"]).status_code == 200


def _change(organization: Organization, method: str, path: str, etag: str) -> httpx.Response:
    headers = {**organization.headers, "origin": FRONTEND, "if-match": etag}
    body = {"title": "Another"} if method == "PATCH" else None
    return organization.http.request(method, path, headers=headers, json=body)


def test_what_no_path_can_name_is_not_found(instrumented: Instruments) -> None:
    """Odd ids reach D1 as values, and find nothing."""
    organization = instrumented.organization("articles-odd")
    odd: list[Any] = ["%00", "a%00b", "%F0%9F%98%80", "..%2F..", "a" * 2000, "%27%20OR%201=1--"]

    for record_id in odd:
        for answer in (
            organization.get(f"/articles/{record_id}"),
            organization.patch(f"/articles/{record_id}", {"title": "x"}),
            organization.delete(f"/articles/{record_id}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "RECORD_NOT_FOUND")
