"""Messages: ours, those of other Workers, and those that nobody understands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cognate.jobs.messages import (
    MAX_ID_CHARACTERS,
    BackfillStep,
    ForeignText,
    JobReference,
    Malformed,
    parse,
    reference,
)
from cognate.models import DEFAULT_MODEL
from cognate.ports import MAX_MESSAGE_BYTES
from cognate.text_limits import MAX_TEXT_CHARACTERS
from tests.stage.platform import CLAIMS, COLLECTIONS

FOREIGN = {"type": "embedding", "organizationId": "org_1", "content": "albatross"}


def test_a_reference_is_read_back_and_small() -> None:
    """It names the job, and holds no text."""
    sent = reference("org_1", "claims", "job_1")
    assert parse(sent, COLLECTIONS) == JobReference("org_1", "claims", "job_1")
    assert len(json.dumps(sent)) < MAX_MESSAGE_BYTES / 1000


def test_a_text_without_a_table_goes_to_the_texts_of_its_model() -> None:
    """The default model where none is named."""
    assert parse(FOREIGN, COLLECTIONS) == ForeignText(
        "org_1", COLLECTIONS["_texts:" + DEFAULT_MODEL], None, "albatross"
    )
    other = parse({**FOREIGN, "model": "@cf/baai/bge-m3"}, COLLECTIONS)
    assert isinstance(other, ForeignText)
    assert other.collection.scope == "_texts:@cf/baai/bge-m3"


def test_a_text_for_a_record_names_table_and_id() -> None:
    """The table's own model may be named."""
    body = {**FOREIGN, "table": "claims", "id": "r1", "model": CLAIMS.model.name}
    assert parse(body, COLLECTIONS) == ForeignText("org_1", CLAIMS, "r1", "albatross")


@pytest.mark.parametrize("key", ["organizationId", "scope", "jobId"])
@pytest.mark.parametrize("value", [None, 3, "", "x\x00"])
def test_a_reference_names_the_whole_key(key: str, value: object) -> None:
    """A job is found by organization, scope and id."""
    found = parse({**reference("org_1", "claims", "job_1"), key: value}, COLLECTIONS)
    assert isinstance(found, Malformed)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "embedding",
        {},
        {"type": "other", "jobId": "job_1"},
        {"type": "embedding", "version": 2, "jobId": "job_1"},
        {"type": "embedding"},
        {"type": "embedding", "jobId": ""},
        {"type": "embedding", "jobId": 3},
        # Half a surrogate pair is no text that a database could hold.
        {"type": "embedding", "jobId": "job_\ud83d"},
        {"type": "embedding", "content": "a text", "organizationId": "\udfff"},
        # SQLite reads a text as far as its first NUL.
        {"type": "embedding", "jobId": "job_\x00"},
        {"type": "embedding", "content": "a text", "organizationId": "org_1\x00"},
        {"type": "embedding", "jobId": "j" * (MAX_ID_CHARACTERS + 1)},
        {"type": "embedding", "content": "albatross"},
        {"type": "embedding", "content": "a text", "organizationId": ["org_1"]},
        {"type": "embedding", "content": "a text", "organizationId": ""},
    ],
)
def test_what_cannot_be_understood_names_no_organization(body: object) -> None:
    """Whatever it is, it is a value and no error."""
    found = parse(body, COLLECTIONS)
    assert isinstance(found, Malformed)
    assert found.organization_id is None


@pytest.mark.parametrize(
    "body",
    [
        {"content": "albatross"},
        {"type": "embed", "content": "albatross"},
        {"type": "embedding", "version": 2, "content": "albatross"},
        {"type": "embedding", "text": "albatross"},
        {"type": "backfill", "step": "albatross"},
    ],
)
def test_what_cannot_be_understood_is_shown_to_the_organization_it_names(
    body: dict[str, Any],
) -> None:
    """Whatever is wrong with it, whoever sent it can find it among the failed jobs."""
    found = parse({**body, "organizationId": "org_1"}, COLLECTIONS)

    assert isinstance(found, Malformed)
    assert found.organization_id == "org_1"
    assert "albatross" not in found.reason


@pytest.mark.parametrize(
    "change",
    [
        {"content": None},
        {"content": " \n"},
        {"content": ["albatross"]},
        {"content": "a" * (MAX_TEXT_CHARACTERS + 1)},
        {"content": "\uac00" * MAX_TEXT_CHARACTERS},
        {"content": "a\x00b"},
        {"model": "gpt"},
        {"model": ["@cf/baai/bge-m3"]},
        {"id": "r1"},
        {"table": "claims"},
        {"table": "claims", "id": ""},
        {"table": "claims", "id": "r1\x00"},
        {"table": "claims", "id": {"a": 1}},
        {"table": "nothing", "id": "r1"},
        {"table": ["claims"], "id": "r1"},
        # A scope is no table.
        {"table": "_texts:" + DEFAULT_MODEL, "id": "r1"},
        # Vectors of two models cannot be compared.
        {"table": "claims", "id": "r1", "model": "@cf/baai/bge-m3"},
    ],
)
def test_a_text_that_cannot_be_placed_is_its_organizations(change: dict[str, Any]) -> None:
    """Its failed job is shown to whom it names, with a reason that quotes nothing."""
    found = parse({**FOREIGN, **change}, COLLECTIONS)
    assert isinstance(found, Malformed)
    assert found.organization_id == "org_1"
    assert "albatross" not in found.reason


def test_the_longest_text_is_taken() -> None:
    """The limit itself is within it."""
    body = {**FOREIGN, "content": "a b " * (MAX_TEXT_CHARACTERS // 4)}
    assert isinstance(parse(body, COLLECTIONS), ForeignText)


@pytest.mark.parametrize("step", [None, "1", True, 1.5, float("inf"), float("nan"), [1]])
def test_a_step_of_a_backfill_has_a_whole_number(step: Any) -> None:
    """Anything else is a message that nobody understands, not an error."""
    body = {"type": "backfill", "version": 1, "backfillId": "b1", "scope": "claims", "step": step}

    assert isinstance(parse(body, COLLECTIONS), Malformed)
    assert parse({**body, "step": 2.0}, COLLECTIONS) == BackfillStep("b1", "claims", 2)
