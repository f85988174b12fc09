"""What a queue batch costs in the real runtime, and what becomes of messages that are not ours."""

from __future__ import annotations

import json
from array import array
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from cognate.ids import derived_id, vector_id, vector_key
from cognate.models import MODELS
from cognate.ports import StoredVectors
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from tests.worker.instruments import Event, Instruments
    from tests.worker.organization import Organization

BASE: Final = "@cf/baai/bge-base-en-v1.5"
SMALL: Final = "@cf/baai/bge-small-en-v1.5"
FULL: Final = 100


def _message(organization: Organization, **fields: Any) -> dict[str, Any]:
    return {"type": "embedding", "organizationId": organization.demo.id, **fields}


def _handled(instrumented: Instruments, since: int, messages: int) -> list[Event]:
    """The batches after the first `since`, once they had so many messages."""

    def look() -> list[Event] | None:
        found = instrumented.events("queue.handled")[since:]
        return found if sum(event["messages"] for event in found) >= messages else None

    return wait_for(look, f"{messages} messages handled")


def _jobs(instrumented: Instruments, organization: Organization) -> list[dict[str, Any]]:
    return instrumented.sql(
        "SELECT * FROM cognate_jobs WHERE organization_id = ?1 ORDER BY created_at, id",
        organization.demo.id,
    )


class TestCost:
    """Calls of the platform for a batch of one hundred."""

    def test_a_hundred_texts_cost_two_calls_of_d1_and_one_of_everything_else(
        self, instrumented: Instruments
    ) -> None:
        """Two D1 calls, one AI call for a hundred texts, one upsert, and nothing deleted."""
        organization = instrumented.organization("batch-texts")
        instrumented.reset_calls()
        since = len(instrumented.events("queue.handled"))

        instrumented.send(
            *(_message(organization, content=f"The text number {n}") for n in range(FULL))
        )

        [batch] = _handled(instrumented, since, FULL)
        assert (FULL, 2) == (batch["messages"], batch["databaseCalls"])
        assert {
            "calls": {"AI.run": 1, "VECTORIZE.upsert": 1},
            "texts": FULL,
            "vectors": FULL,
        } == instrumented.calls()
        assert ["done"] * FULL == [job["status"] for job in _jobs(instrumented, organization)]

    def test_a_hundred_records_cost_the_same(self, instrumented: Instruments) -> None:
        """What the records API queues is embedded from D1 at the same price."""
        organization = instrumented.organization("batch-records")
        instrumented.reset_calls()
        since = len(instrumented.events("queue.handled"))

        creates = [
            {"operation": "create", "id": f"claim-{n}", "record": {"content": f"Claim number {n}"}}
            for n in range(FULL)
        ]
        answer = organization.post("/claims/batch", {"operations": creates})

        assert answer.status_code == 207, answer.text
        [batch] = _handled(instrumented, since, FULL)
        assert (FULL, 2) == (batch["messages"], batch["databaseCalls"])
        assert {
            "calls": {"AI.run": 1, "VECTORIZE.upsert": 1},
            "texts": FULL,
            "vectors": FULL,
        } == instrumented.calls()

    def test_two_models_cost_a_call_each(self, instrumented: Instruments) -> None:
        """One AI call and one upsert for each model, however the messages are mixed."""
        organization = instrumented.organization("batch-models")
        instrumented.reset_calls()
        since = len(instrumented.events("queue.handled"))

        instrumented.send(
            *(
                _message(organization, content=f"The text number {n}", model=(BASE, SMALL)[n % 2])
                for n in range(FULL)
            )
        )

        [batch] = _handled(instrumented, since, FULL)
        assert (FULL, 2) == (batch["messages"], batch["databaseCalls"])
        assert {
            "calls": {"AI.run": 2, "VECTORIZE.upsert": 1, "VECTORIZE_384.upsert": 1},
            "texts": FULL,
            "vectors": FULL,
        } == instrumented.calls()


@pytest.mark.parametrize("model", [BASE, SMALL])
def test_vectors_are_stored_as_float32(instrumented: Instruments, model: str) -> None:
    """D1 has what the AI answered, little-endian, and the index has the same."""
    name = MODELS[model].index_binding.lower()
    organization = instrumented.organization(f"float32-{name}")
    content = f"A text for {model}"
    instrumented.send(_message(organization, content=content, model=model))
    [row] = wait_for(
        lambda: instrumented.sql(
            "SELECT id, hex(embedding) AS vector FROM cognate_texts "
            "WHERE organization_id = ?1 AND embedding IS NOT NULL",
            organization.demo.id,
        ),
        "a stored vector",
    )

    answer = instrumented.rpc("AI", "run", model, {"text": content, "pooling": "cls"})
    key = vector_key(organization.demo.id, f"_texts:{model}", row["id"])
    index = MODELS[model].index_binding
    [entry] = instrumented.rpc(index, "getByIds", [vector_id(key, 0)])

    assert StoredVectors.of(answer["data"][0]).data == bytes.fromhex(row["vector"])
    # As numbers: to a binding, which takes JSON, 0 and -0 are one.
    assert array("f", entry["values"]) == array("f", bytes.fromhex(row["vector"]))


MALFORMED: Final[dict[str, Any]] = {
    "null": None,
    "a number": 7,
    "a text": "embed this",
    "a list": [{"type": "embedding"}],
    "an empty object": {},
    "another Worker's own type": {"type": "invoice.paid", "content": "text"},
    "another version": {"version": 2, "content": "text"},
    "no organization": {"organizationId": None, "content": "text"},
    "an organization that is no text": {"organizationId": ["org"], "content": "text"},
    "an unknown table": {"table": "planets", "id": "p", "content": "text"},
    "a table that is no text": {"table": {"name": "claims"}, "id": "c", "content": "text"},
    "a table without an id": {"table": "claims", "content": "text"},
    "an id without a table": {"id": "c", "content": "text"},
    "the model of another table": {
        "table": "claims",
        "id": "c",
        "model": SMALL,
        "content": "text",
    },
    "an unknown model": {"model": "@cf/baai/bge-huge", "content": "text"},
    "no text": {"content": None},
    "a blank text": {"content": " \n\t"},
    "a huge text": {"content": "word " * 21_000},
    "a job without an id": {"jobId": ""},
    "an id of a huge length": {"jobId": "j" * 1000},
}


def test_malformed_messages_fail_and_stop_nobody(instrumented: Instruments) -> None:
    """Each is acknowledged and recorded as failed; a good one among them is embedded."""
    organization = instrumented.organization("malformed")
    bodies = [
        {**_message(organization), **body} if isinstance(body, dict) and body else body
        for body in MALFORMED.values()
    ]
    before = {job["id"] for job in _failed(instrumented)}
    retried = len(instrumented.events("job.retried"))
    since = len(instrumented.events("queue.handled"))
    good = _message(organization, content="A good text among bad ones")

    instrumented.send(*bodies[:10], good, *bodies[10:])

    _handled(instrumented, since, len(bodies) + 1)
    failed = [job for job in _failed(instrumented) if job["id"] not in before]
    assert len(bodies) == len(failed)
    assert {"MESSAGE_MALFORMED"} == {job["error_code"] for job in failed}
    [done] = [job for job in _jobs(instrumented, organization) if job["status"] == "done"]
    assert done["source"] == "message"
    assert retried == len(instrumented.events("job.retried")), "acknowledged, not retried"
    assert not [job for job in failed if "word word" in json.dumps(job)], "no text is kept"


def _failed(instrumented: Instruments) -> list[dict[str, Any]]:
    return instrumented.sql("SELECT * FROM cognate_jobs WHERE status = 'failed'")


def test_who_sent_a_malformed_message_can_see_it(instrumented: Instruments) -> None:
    """In the list of the organization that it names, with a sentence that says what to change."""
    organization = instrumented.organization("sees-failed")
    since = len(instrumented.events("queue.handled"))
    instrumented.send(_message(organization, table="planets", id="p", content="text"))
    _handled(instrumented, since, 1)

    [job] = organization.get("/embeddings/jobs", params={"status": "failed"}).json()["data"]

    assert "MESSAGE_MALFORMED" == job["error"]["code"]
    assert '"table" must be a table of the schema' in job["error"]["message"]


class TestAnotherWorker:
    """Messages that carry their own text."""

    def test_a_text_without_a_table_is_found(self, instrumented: Instruments) -> None:
        """Under the id of the job that it got on arrival."""
        organization = instrumented.organization("other-text")
        instrumented.send(_message(organization, content="A zeppelin over the city"))
        [job] = wait_for(
            lambda: [j for j in _jobs(instrumented, organization) if j["status"] == "done"],
            "the job",
        )

        found = organization.post("/vectors/query", {"query": "A zeppelin over the city"}).json()

        [match] = found["matches"]
        assert job["id"] == match["id"]
        assert match["score"] == pytest.approx(1, abs=1e-6)

    def test_a_text_for_a_record_is_found(self, instrumented: Instruments) -> None:
        """Under the record's id, by the similarity service of its table."""
        organization = instrumented.organization("other-record")
        organization.write("claims", id="c", content="What the record says")
        content = "What the other Worker says about it"
        instrumented.send(_message(organization, table="claims", id="c", content=content))

        def look() -> dict[str, Any] | None:
            found = organization.search("claimSimilarity", content)
            return found if found["verdict"] == "DUPLICATE" else None

        [best] = wait_for(look, "the other Worker's text")["results"]
        assert "c" == best["id"]

    def test_a_text_for_a_record_that_is_not_there_fails(self, instrumented: Instruments) -> None:
        """With a code of its own, and without a vector."""
        organization = instrumented.organization("other-missing")
        instrumented.send(_message(organization, table="claims", id="gone", content="text"))

        [job] = wait_for(lambda: _jobs_final(instrumented, organization), "the job")

        assert ("failed", "RECORD_NOT_FOUND") == (job["status"], job["error_code"])
        key = vector_key(organization.demo.id, "claims", "gone")
        assert vector_id(key, 0) not in instrumented.vectors("VECTORIZE")


def _jobs_final(instrumented: Instruments, organization: Organization) -> list[dict[str, Any]]:
    jobs = _jobs(instrumented, organization)
    return jobs if all(job["completed_at"] for job in jobs) else []


class TestAtLeastOnce:
    """Deliveries that are one too many."""

    def test_two_messages_about_one_job_embed_it_once(self, instrumented: Instruments) -> None:
        """In one batch or in two, a second message finds nothing left to do."""
        organization = instrumented.organization("twice")
        organization.write("claims", id="c", content="Said once")
        [job] = _jobs(instrumented, organization)
        instrumented.reset_calls()
        since = len(instrumented.events("queue.handled"))
        reference = {
            "type": "embedding",
            "version": 1,
            "organizationId": job["organization_id"],
            "scope": "claims",
            "jobId": job["id"],
        }

        instrumented.send(reference, reference)
        _handled(instrumented, since, 2)
        instrumented.send(reference)
        _handled(instrumented, since, 3)

        assert {} == instrumented.calls()["calls"]
        [after] = _jobs(instrumented, organization)
        assert ("done", 1) == (after["status"], after["attempts"])

    def test_a_redelivered_message_is_the_same_job(self, instrumented: Instruments) -> None:
        """A message with a text has its job's id from the queue's own id, so it is known again."""
        organization = instrumented.organization("redelivered")
        content = "Redelivered after an outage"
        instrumented.fault("AI", "run", message="3040: out of capacity", match=content)

        instrumented.send(_message(organization, content=content))

        [job] = wait_for(lambda: _jobs_final(instrumented, organization), "the job")
        assert ("done", 2, 0) == (job["status"], job["attempts"], job["charges"])
        digits = derived_id("job", content, datetime.now(UTC))[-16:]
        assert job["id"][-16:] != digits, "the text is not what it is known by"
