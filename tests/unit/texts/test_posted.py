"""Posted texts can be deleted with their vectors, by request or by age."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cognate.errors import NotFound
from cognate.models import DEFAULT_MODEL
from cognate.schema.collections import TEXTS_PREFIX
from cognate.search import query_vectors
from cognate.settings import Retention
from cognate.sweeper import sweep
from cognate.texts.post import TextToEmbed, enqueue
from cognate.texts.posted import MAX_EXPIRED_GROUPS, MAX_EXPIRED_PER_RUN, delete_text, find_text
from cognate.times import to_iso
from local.adapters.manual_clock import START
from tests.stage.platform import ACME, GLOBEX, SCHEMA, Stage
from tests.steps import steps_of

SMALL = "@cf/baai/bge-small-en-v1.5"
KEPT = Retention(texts=timedelta(days=90))


async def _near(stage: Stage, text: str, model: str | None = None) -> list[str]:
    found = await query_vectors(stage.platform, SCHEMA, ACME, text=text, model=model, top_k=50)
    return [match.id for match in found.matches]


async def _post(stage: Stage, text: str, model: str) -> str:
    [job_id] = (
        await enqueue(stage.platform, SCHEMA, ACME, [TextToEmbed(text, model=model)])
    ).results
    return str(job_id)


def _vectors(stage: Stage) -> list[str]:
    """The tables that the vectors of all indexes are of."""
    indexes = stage.local.bindings.indexes.values()
    return [(entry.metadata or {})["table"] for index in indexes for entry in index.entries()]


async def test_a_text_is_found_by_the_id_of_its_job() -> None:
    """Within its organization."""
    stage = Stage()
    job_id = await _post(stage, "a text", SMALL)
    queued = await find_text(stage.local.database, ACME, job_id)
    await stage.drain()
    text = await find_text(stage.local.database, ACME, job_id)

    assert queued is not None
    assert queued.embedded_at is None
    assert text is not None
    assert (text.id, text.content, text.model) == (job_id, "a text", SMALL)
    assert (text.created_at, text.embedded_at) == (START, START)
    assert await find_text(stage.local.database, GLOBEX, job_id) is None
    assert await find_text(stage.local.database, ACME, "job_none") is None


@pytest.mark.parametrize("model", [DEFAULT_MODEL, SMALL])
async def test_a_deleted_text_is_invisible_at_once_and_its_vectors_go(model: str) -> None:
    """Before its job has run already; the other texts stay."""
    stage = Stage()
    gone, kept = await _post(stage, "a text", model), await _post(stage, "another", model)
    await stage.drain()
    assert sorted(await _near(stage, "a text", model)) == sorted([gone, kept])

    await delete_text(stage.platform, ACME, gone)

    assert await _near(stage, "a text", model) == [kept]
    assert len(_vectors(stage)) == 2
    await stage.drain()
    assert _vectors(stage) == [TEXTS_PREFIX + model]
    assert await find_text(stage.local.database, ACME, gone) is None
    assert await stage.discrepancies() == []


async def test_a_text_that_waits_is_not_embedded_once_it_is_deleted() -> None:
    """Its job becomes the one that removes it."""
    stage = Stage()
    job_id = await stage.post(ACME, "a text")
    await delete_text(stage.platform, ACME, job_id)
    await stage.drain()

    assert stage.calls("AI.run") == 0
    assert await stage.status(job_id) == "done"
    assert _vectors(stage) == []


async def test_a_text_is_deleted_once_and_by_its_organization() -> None:
    """What is another's is answered like what never was."""
    stage = Stage()
    job_id = await stage.post(ACME, "a text")
    await stage.write(ACME, "r1", "a record is no text")
    messages = set()
    for organization, text_id in ((GLOBEX, job_id), (ACME, "job_none"), (ACME, "r1")):
        with pytest.raises(NotFound) as caught:
            await delete_text(stage.platform, organization, text_id)
        messages.add(f"{caught.value.code}: {caught.value}")
    assert await find_text(stage.local.database, ACME, job_id) is not None
    await delete_text(stage.platform, ACME, job_id)
    with pytest.raises(NotFound):
        await delete_text(stage.platform, ACME, job_id)
    assert len(messages) == 1


async def test_texts_are_deleted_when_they_are_old_enough() -> None:
    """Of every organization and model, with their vectors; without the setting they stay."""
    stage = Stage()
    await stage.post(ACME, "an old text")
    await stage.post(GLOBEX, "an old text")
    await _post(stage, "an old text", SMALL)
    await stage.write(ACME, "r1", "a record stays")
    await stage.drain()
    stage.local.clock.advance(timedelta(days=90).total_seconds())
    young = await stage.post(ACME, "a young text")
    await stage.drain()
    found = [await sweep(stage.platform, stage.app, KEPT)]
    stage.local.clock.advance(0.001)
    found.append(await sweep(stage.platform, stage.app, Retention(timedelta(3650))))
    found.append(await sweep(stage.platform, stage.app, KEPT))
    assert await _near(stage, "text") == [young]
    found.append(await sweep(stage.platform, stage.app, KEPT))
    await stage.settle()
    assert sorted(_vectors(stage)) == [TEXTS_PREFIX + DEFAULT_MODEL, "claims"]
    assert await stage.discrepancies() == []
    assert [swept.expired for swept in found] == [0, 0, 3, 0]


async def _many(stage: Stage, count: int, organizations: int) -> None:
    """Texts from long ago, embedded, one after the other of each organization in turn."""
    await stage.rows(
        "INSERT INTO cognate_texts (organization_id, id, content, created_at) "
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n "
        "WHERE i + 1 < CAST(?1 AS INTEGER)) SELECT 'org_' || (i % CAST(?2 AS INTEGER)), "
        "'job_' || i, 'x', '2020-01-01T00:00:00.000Z' FROM n",
        str(count),
        str(organizations),
    )
    await stage.rows(
        "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, "
        "revision, embedded_at) SELECT organization_id, ?1, id, id, 1, created_at "
        "FROM cognate_texts",
        TEXTS_PREFIX + DEFAULT_MODEL,
    )


@pytest.mark.parametrize(
    ("organizations", "first"), [(1, MAX_EXPIRED_PER_RUN), (250, 2 * MAX_EXPIRED_GROUPS)]
)
async def test_a_run_deletes_a_bounded_number(organizations: int, first: int) -> None:
    """Of texts and of organizations; the next ones go on until all are deleted."""
    count = MAX_EXPIRED_PER_RUN + 250
    stage = Stage()
    await _many(stage, count, organizations)
    found: list[int] = []
    while not found or found[-1]:
        found.append((await sweep(stage.platform, stage.app, KEPT)).expired)
    assert found[0] == first
    assert max(found) <= MAX_EXPIRED_PER_RUN
    assert sum(found) == count


async def _steps_of_a_sweep(count: int) -> int:
    """Count the steps of SQLite in a sweep beside so many young texts."""
    stage = Stage()
    await _many(stage, count, 10)
    await stage.rows("UPDATE cognate_texts SET created_at = ?1", to_iso(START))
    return await steps_of(stage.local.database, lambda: sweep(stage.platform, stage.app, KEPT))


async def test_young_texts_are_not_looked_at() -> None:
    """However many there are."""
    assert await _steps_of_a_sweep(3000) < 1.2 * await _steps_of_a_sweep(10)
