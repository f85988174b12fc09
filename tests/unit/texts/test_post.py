"""Postings are written down in one call, each judged for itself, and under a key only once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cognate.errors import (
    CognateError,
    IdempotencyKeyReused,
    InvalidInput,
    ModelMismatch,
    NotFound,
    QueueError,
)
from cognate.texts.idempotency import KEY_LIFETIME, IdempotencyKey
from cognate.texts.post import Enqueued, TextToEmbed, enqueue
from cognate.times import to_milliseconds
from tests.stage.faults import FailingDatabase
from tests.stage.platform import ACME, GLOBEX, SCHEMA, Stage

if TYPE_CHECKING:
    from cognate.principal import OrganizationId

KEY = IdempotencyKey.of("key", "post", {"content": "x"})
OTHER = IdempotencyKey.of("key", "post", {"content": "y"})
TEXT = TextToEmbed("a text")
CLAIM = TextToEmbed("given words", "claims", "c1")


async def _post(
    stage: Stage,
    *texts: TextToEmbed,
    key: IdempotencyKey | None = None,
    organization: OrganizationId = ACME,
) -> Enqueued:
    return await enqueue(stage.platform, SCHEMA, organization, texts, key=key)


async def _add(stage: Stage, *record_ids: str, organization: OrganizationId = ACME) -> None:
    """Put claims in, behind the API."""
    for record_id in record_ids:
        await stage.rows(
            "INSERT INTO claims (organization_id, id, content) VALUES (?1, ?2, 'own words')",
            organization,
            record_id,
        )


async def test_a_hundred_postings_cost_one_call() -> None:
    """Of records and texts, of several models, good and bad ones."""
    stage = Stage()
    await _add(stage, *(f"c{number}" for number in range(60)))
    database = FailingDatabase(stage.local.database)
    stage.with_database(database)
    texts = [TextToEmbed(f"text {number}", "claims", f"c{number}") for number in range(80)]
    texts += [TEXT] * 10 + [TextToEmbed("text", model="@cf/baai/bge-m3")] * 10

    results = (await _post(stage, *texts)).results

    assert database.batches == 1
    assert [isinstance(result, str) for result in results] == [True] * 60 + [False] * 20 + [
        True
    ] * 20
    assert len({result for result in results if isinstance(result, str)}) == 80
    assert len(stage.local.queue.waiting) == 80
    await stage.settle()
    assert set(await stage.jobs()) == {"done"}


async def test_each_posting_is_judged_for_itself() -> None:
    """Its error has the class that it would have alone, and its neighbours are queued."""
    stage = Stage()
    await _add(stage, "c1")
    await _add(stage, "theirs", organization=GLOBEX)
    texts = {
        CLAIM: str,
        TextToEmbed("x", "claims", "missing"): NotFound,
        TextToEmbed("x", "claims", "theirs"): NotFound,
        TextToEmbed("x", "nothing", "c1"): NotFound,
        TextToEmbed("x", model="@cf/nobody/nothing"): InvalidInput,
        TextToEmbed("x", "claims", "c1", "@cf/baai/bge-m3"): ModelMismatch,
        # Fewer than 100,000 characters, and more chunks than a row can hold.
        TextToEmbed("\ud55c\uad6d\uc5b4 " * 20_000, "claims", "c1"): InvalidInput,
        TextToEmbed("0123456789abcdef" * 6000): InvalidInput,
        TextToEmbed("a\x00b"): InvalidInput,
        TEXT: str,
    }

    results = (await _post(stage, *texts)).results

    assert [type(result) for result in results] == list(texts.values())
    for text, result in zip(texts, results, strict=True):
        [alone] = (await _post(stage, text)).results
        if isinstance(result, CognateError):
            assert (type(alone), str(alone)) == (type(result), str(result))


async def test_of_several_texts_for_a_record_the_last_one_counts() -> None:
    """They are one job."""
    stage = Stage()
    await _add(stage, "c1")

    first, second = (await _post(stage, CLAIM, TextToEmbed("later words", "claims", "c1"))).results

    assert first == second
    assert (await stage.state(ACME, "c1"))["posted_text"] == "later words"


async def test_long_texts_of_any_script_fit_into_one_value() -> None:
    """A body of a megabyte is as long in D1 as on the wire."""
    stage = Stage()
    await _add(stage, *(f"c{number}" for number in range(10)))
    texts = [TextToEmbed("ä" * 50_000, "claims", f"c{number}") for number in range(10)]

    results = (await _post(stage, *texts)).results

    assert all(isinstance(result, str) for result in results)


@pytest.mark.parametrize("text", [TEXT, CLAIM], ids=["text", "record"])
async def test_a_request_that_is_sent_again_gets_the_first_answer(text: TextToEmbed) -> None:
    """Also when its job has ended and the record is gone."""
    stage = Stage()
    await _add(stage, "c1")
    first = await _post(stage, text, key=KEY)

    for _ in range(2):
        assert await _post(stage, text, key=KEY) == Enqueued(first.results, replayed=True)
        await stage.settle()
        await stage.delete(ACME, "c1")
    assert not first.replayed
    assert len(await stage.rows("SELECT id FROM cognate_jobs WHERE source = 'api'")) == 1


async def test_the_answer_that_named_a_waiting_job_is_kept() -> None:
    """The job of another request may be the one that does it."""
    stage = Stage()
    waiting = await stage.write(ACME, "c1", "own words")

    first = await _post(stage, CLAIM, key=KEY)

    assert first.results == [waiting]
    await stage.settle()
    assert (await _post(stage, CLAIM, key=KEY)).results == [waiting]


async def test_another_request_under_the_same_key_is_refused() -> None:
    """And does nothing."""
    stage = Stage()
    await _post(stage, TEXT, key=KEY)

    with pytest.raises(IdempotencyKeyReused):
        await _post(stage, TEXT, key=OTHER)
    assert len(await stage.jobs()) == 1
    assert len(await stage.rows("SELECT id FROM cognate_texts")) == 1


async def test_a_key_belongs_to_an_organization() -> None:
    """Another one may use the same, for something else."""
    stage = Stage()
    first = await _post(stage, TEXT, key=KEY)

    foreign = await _post(stage, TEXT, key=OTHER, organization=GLOBEX)

    assert not foreign.replayed
    assert foreign.results != first.results


async def test_a_request_that_failed_leaves_its_key_free() -> None:
    """For the same request once it is right, and for another one."""
    stage = Stage()
    for key in (KEY, OTHER, KEY):
        [refused] = (await _post(stage, CLAIM, key=key)).results
        assert isinstance(refused, NotFound)
    await _add(stage, "c1")

    [job_id] = (await _post(stage, CLAIM, key=KEY)).results

    assert isinstance(job_id, str)


async def test_the_removal_of_a_record_is_not_taken_for_its_embedding() -> None:
    """The job that waits removes its vectors; there is no such record any more."""
    stage = Stage()
    await stage.write(ACME, "c1", "own words")
    await stage.settle()
    await stage.delete(ACME, "c1")

    [refused] = (await _post(stage, CLAIM, key=KEY)).results

    assert isinstance(refused, NotFound)
    assert await stage.rows("SELECT key FROM cognate_idempotency_keys") == []


async def test_an_answer_is_kept_for_a_day() -> None:
    """To the millisecond, whether or not the sweeper has come by."""
    stage = Stage()
    first = await _post(stage, TEXT, key=KEY)
    stage.local.clock.advance(KEY_LIFETIME.total_seconds())
    await stage.sweep()
    assert (await _post(stage, TEXT, key=KEY)).replayed
    stage.local.clock.advance(0.001)

    again = await _post(stage, TEXT, key=OTHER)

    assert not again.replayed
    assert again.results != first.results
    stage.local.clock.advance((KEY_LIFETIME + timedelta(milliseconds=1)).total_seconds())
    await stage.sweep()
    assert await stage.rows("SELECT key FROM cognate_idempotency_keys") == []


async def test_an_answer_that_was_lost_is_given_again() -> None:
    """D1 wrote, its answer did not arrive; and where the queue failed the sweeper helps."""
    stage = Stage()
    stage.with_database(FailingDatabase(stage.local.database, unheard=frozenset({1})))
    stage.local.queue.outage = QueueError("out of reach")
    with pytest.raises(CognateError):
        await _post(stage, TEXT, key=KEY)

    again = await _post(stage, TEXT, key=KEY)

    assert again.replayed
    stage.local.queue.outage = None
    await stage.settle()
    [job_id] = again.results
    assert await stage.status(str(job_id)) == "done"
    assert len(await stage.jobs()) == 1


async def test_requests_at_once_under_one_key_are_one() -> None:
    """Whichever comes first; a database runs one batch after the other."""
    stage = Stage()
    await _add(stage, "c1")

    answers = await asyncio.gather(
        *(_post(stage, CLAIM, TEXT, TextToEmbed("x", "claims", "no"), key=KEY) for _ in range(5))
    )

    jobs = [answer.results[:2] for answer in answers]
    assert jobs == [jobs[0]] * 5
    assert all(isinstance(answer.results[2], NotFound) for answer in answers)
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
    assert len(await stage.jobs()) == 2
    state = await stage.state(ACME, "c1")
    assert state["revision"] == to_milliseconds(stage.local.clock.now())
