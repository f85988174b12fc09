"""Waves bound the memory of a batch, and a job that may have killed its handler runs alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from cognate.consumer import consume
from cognate.embedding.platform_calls import (
    MAX_CALL_NUMBERS,
    MAX_WAVE_CHARACTERS,
    MAX_WAVE_NUMBERS,
    grouped,
)
from cognate.jobs.messages import Delivery
from cognate.jobs.run import LEASE
from cognate.models import MODELS
from cognate.ports import MAX_UPSERT, Platform
from cognate.text_limits import MAX_CHUNKS, MAX_TEXT_CHARACTERS
from tests.stage.faults import FailingDatabase
from tests.stage.forwarding import ForwardingIndex
from tests.stage.platform import ACME, ARTICLES, GLOBEX, QUEUE, Stage, long_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import (
        Database,
        Embedder,
        Row,
        Statement,
        VectorEntry,
        Vectors,
    )

LARGE = MODELS["@cf/baai/bge-large-en-v1.5"]
LONGEST = "A sentence of a long text. " * (MAX_TEXT_CHARACTERS // 27)


@dataclass
class Sizes:
    """How large each call of a port was.

    Attributes:
        read: characters that one call of D1 answered.
        written: characters of all parameters of one call of D1.
        embedded: numbers that one call of the model answered.
        indexed: numbers in one call of the index.
        texts: texts in one call of the model.
    """

    read: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    embedded: list[int] = field(default_factory=list)
    indexed: list[int] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)


@dataclass
class MeasuredDatabase:
    """A database that measures its calls."""

    inner: Database
    sizes: Sizes

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        parameters = [value for item in statements for value in item.parameters]
        texts = [value for value in parameters if isinstance(value, str)]
        self.sizes.written.append(sum(map(len, texts)))
        answers = await self.inner.batch(statements)
        self.sizes.read.append(len(json.dumps(answers, ensure_ascii=False)))
        return answers


@dataclass
class MeasuredEmbedder:
    """An embedder that measures its calls."""

    inner: Embedder
    sizes: Sizes

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `ports.Embedder.embed`."""
        self.sizes.texts.append(len(texts))
        self.sizes.embedded.append(len(texts) * model.dimensions)
        return await self.inner.embed(model, texts, urgent=urgent)


@dataclass
class MeasuredIndex(ForwardingIndex):
    """An index that measures its calls."""

    sizes: Sizes

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `ports.VectorIndex.upsert`."""
        assert len(entries) <= MAX_UPSERT
        self.sizes.indexed.append(sum(entry.vectors.lengths()[entry.position] for entry in entries))
        return await self.inner.upsert(entries)


def measured(stage: Stage) -> Sizes:
    """Measure all calls of the stage from now on."""
    sizes, local = Sizes(), stage.local
    stage.platform = Platform(
        embedder=MeasuredEmbedder(local.embedder, sizes),
        indexes={name: MeasuredIndex(index, sizes) for name, index in local.indexes.items()},
        database=MeasuredDatabase(local.database, sizes),
        auth_database=local.database,
        queue=local.queue,
        clock=local.clock,
    )
    return sizes


def foreign(text: str, number: int) -> Delivery:
    """Make a message of another Worker with a text for the largest model."""
    body = {
        "type": "embedding",
        "organizationId": ACME,
        "model": LARGE.name,
        "content": f"{text[:-3]} {number:02}",
    }
    return Delivery(f"m{number}", body, 1, len(json.dumps(body, ensure_ascii=False)))


def assert_bounded(sizes: Sizes) -> None:
    """Check that no call exceeds the bounds, and that some come near."""
    digits = 8 * MAX_WAVE_NUMBERS
    # Beside texts and digits there are ids, statuses and the places of chunks. An arriving text is
    # a parameter of four statements.
    assert max(sizes.read) < 1.1 * max(digits, MAX_WAVE_CHARACTERS)
    assert max(sizes.written) < 1.1 * max(digits, 4 * MAX_WAVE_CHARACTERS)
    assert max(sizes.embedded, default=0) <= MAX_CALL_NUMBERS
    assert 0.7 * MAX_CALL_NUMBERS < max(sizes.indexed) <= MAX_CALL_NUMBERS


@pytest.mark.parametrize("text", [LONGEST, long_text(MAX_CHUNKS)], ids=["characters", "chunks"])
async def test_the_longest_texts_of_messages_are_taken_a_few_at_a_time(text: str) -> None:
    """Messages with the longest texts are handled a few at a time, in bounded calls."""
    stage = Stage()
    sizes = measured(stage)
    embedded: list[int] = []

    def deliveries() -> Iterator[Delivery]:
        for number in range(12):
            embedded.append(len(sizes.embedded))
            yield foreign(text, number)

    verdicts = await consume(stage.platform, stage.app, QUEUE, deliveries())
    assert list(verdicts.values()) == [None] * 12
    assert set(await stage.jobs()) == {"done"}
    assert_bounded(sizes)
    assert embedded[0] == 0 < embedded[-1]
    assert await stage.discrepancies() == []


async def test_the_longest_records_are_read_a_few_at_a_time() -> None:
    """The longest records are read a few at a time, for their texts and for their metadata."""
    stage = Stage()
    half = LONGEST[: MAX_TEXT_CHARACTERS // 2 - 2]
    for story_id in ("one", "two"):
        for number in range(10):
            await stage.write(GLOBEX, f"r{number}", LONGEST, story_id)
            await stage.put(ARTICLES, ACME, f"r{number}", title=half, body=half, section=story_id)
        sizes = measured(stage)
        await stage.deliver()
        stage.platform = stage.local
        assert_bounded(sizes)
    assert set(await stage.jobs()) == {"done"}
    assert sizes.embedded == []
    assert await stage.discrepancies() == []


async def test_a_record_that_is_too_long_is_not_read_whole() -> None:
    """A text that is too long, or a blob, is not read completely, and its record fails alone."""
    stage = Stage()
    await stage.write(ACME, "long", "word " * 300_000)
    await stage.write(ACME, "blob", "a text", "a story")
    await stage.write(ACME, "good", "a text")
    await stage.rows("UPDATE claims SET story_id = zeroblob(1000000) WHERE id = 'blob'")
    sizes = measured(stage)
    await stage.deliver()
    assert max(sizes.read) < 1.1 * MAX_TEXT_CHARACTERS
    assert sorted(await stage.jobs()) == ["done", "done", "failed"]


async def test_short_texts_are_one_wave() -> None:
    """A hundred texts of 5,000 characters are one wave."""
    stage = Stage()
    text = LONGEST[: MAX_WAVE_CHARACTERS // 100 - 10]
    await stage.write_many(ACME, {f"r{number}": text for number in range(100)})
    sizes = measured(stage)
    await stage.deliver()
    # One to read them all, one to reserve chunks and one to store them for each wave of these.
    waves = len(sizes.indexed) // 2
    assert len(sizes.read) == 1 + 2 * waves
    assert set(await stage.jobs()) == {"done"}


async def test_a_wave_that_cannot_be_started_is_tried_again() -> None:
    """If D1 fails between two waves, the messages of the later waves are delivered again."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": LONGEST for number in range(8)})
    # The first wave has five calls: one to start it, and two for each of its parts.
    stage.with_database(FailingDatabase(stage.local.database, refused=frozenset({6})))
    verdicts = await stage.deliver()
    found = Counter(after is None for after in verdicts.values())
    assert found == {True: 5, False: 3}
    assert Counter(await stage.jobs()) == {"done": 5, "queued": 3}
    await stage.settle()
    assert await stage.discrepancies() == []


class Death(BaseException):
    """The runtime ends the isolate; no handler catches this."""


@dataclass
class DeadlyEmbedder:
    """An embedder that kills the isolate when it sees a certain word.

    Attributes:
        word: that kills; None for no word.
        calls: the texts of each call.
    """

    inner: Embedder
    word: str | None = "poison"
    calls: list[list[str]] = field(default_factory=list)

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `ports.Embedder.embed`."""
        self.calls.append(list(texts))
        if self.word is not None and any(self.word in text for text in texts):
            raise Death
        return await self.inner.embed(model, texts, urgent=urgent)


def deadly(stage: Stage) -> DeadlyEmbedder:
    """Put a deadly embedder on the stage."""
    local = stage.local
    embedder = DeadlyEmbedder(local.embedder)
    stage.platform = Platform(
        embedder=embedder,
        indexes=local.indexes,
        database=local.database,
        auth_database=local.database,
        queue=local.queue,
        clock=local.clock,
    )
    return embedder


async def dies(stage: Stage) -> bool:
    """Deliver one batch, and return whether its handler died."""
    try:
        await stage.deliver()
    except Death:
        stage.local.queue.crash()
        return True
    return False


async def test_a_poison_takes_no_neighbour_along_twice() -> None:
    """After a handler died, its jobs run alone, and the most suspect job runs last."""
    stage = Stage()
    embedder = deadly(stage)
    texts = {f"r{number}": f"text {number}" for number in range(20)}
    await stage.write_many(ACME, {**texts, "r7": "poison"})
    assert await dies(stage)
    assert Counter(await stage.jobs()) == {"running": 20}
    # Whatever was there before and was not to blame is embedded on the next delivery.
    while Counter(await stage.jobs())["done"] < 19:
        assert await dies(stage)
    await stage.write_many(ACME, {f"new {number}": "a new text" for number in range(5)})
    assert await dies(stage)
    assert Counter(await stage.jobs()) == {"done": 24, "running": 1}
    deaths = [call for call in embedder.calls if "poison" in call]
    assert [len(call) for call in deaths] == [20] + [1] * (len(deaths) - 1)
    assert len(deaths) <= 4
    embedder.word = None
    await stage.settle()
    assert set(await stage.jobs()) == {"done"}
    assert await stage.discrepancies() == []


async def test_a_poison_ends_as_a_dead_letter() -> None:
    """A job that always kills its handler fails as a dead letter."""
    stage = Stage()
    deadly(stage)
    job_id = await stage.write(ACME, "r1", "poison")
    while not stage.local.queue.dead_letters:
        assert await dies(stage)
    await stage.settle()
    job = await stage.job(job_id)
    assert (job["status"], job["error_code"]) == ("failed", "RETRIES_EXHAUSTED")


async def test_who_waited_for_a_later_wave_is_not_suspected() -> None:
    """If a handler dies in its first wave, the jobs of later waves run together again."""
    stage = Stage()
    embedder = deadly(stage)
    for number in range(8):
        text = LONGEST if number else f"poison {LONGEST}"[:MAX_TEXT_CHARACTERS]
        await stage.write(ACME, f"r{number}", text)
        stage.local.clock.advance(1)
    assert await dies(stage)
    assert Counter(await stage.jobs()) == {"running": 5, "queued": 3}
    embedder.word = None
    sizes = measured(stage)
    await stage.deliver()
    # One call to start each wave, and two for each of its parts: three jobs together, then each
    # of the five alone.
    assert len(sizes.written) == (1 + 2) + 5 * (1 + 2)
    assert set(await stage.jobs()) == {"done"}


async def test_a_recorded_error_is_no_death() -> None:
    """After a recorded error the jobs run together again."""
    stage = Stage()
    embedder = deadly(stage)
    await stage.write_many(ACME, {f"r{number}": "a text" for number in range(5)})
    stage.fault("run", message="3040: out of capacity")
    await stage.deliver()
    stage.local.clock.advance(1000)
    await stage.deliver()
    assert [len(call) for call in embedder.calls] == [5, 5]
    assert set(await stage.jobs()) == {"done"}


async def test_a_death_after_an_error_is_a_death() -> None:
    """A job whose handler died after a recorded error runs alone."""
    stage = Stage()
    embedder = deadly(stage)
    await stage.write(ACME, "r1", "a text")
    stage.local.clock.advance(1)
    await stage.write(ACME, "r2", "poison")
    stage.fault("run", message="3040: out of capacity")
    embedder.word = None
    await stage.deliver()
    embedder.word = "poison"
    stage.local.clock.advance(1000)
    assert await dies(stage)
    assert await dies(stage)
    assert embedder.calls[2:] == [["a text"], ["poison"]]


async def test_jobs_whose_messages_died_with_the_handler_run_alone() -> None:
    """Jobs that lost their handler run alone, also if the sweeper sent new messages."""
    stage = Stage()
    embedder = deadly(stage)
    await stage.write(ACME, "r1", "a text")
    stage.local.clock.advance(1)
    await stage.write(ACME, "r2", "poison")
    assert await dies(stage)
    stage.local.queue.drop()
    stage.local.clock.advance(LEASE.total_seconds() + 1)
    await stage.sweep()
    assert await dies(stage)
    assert embedder.calls[1:] == [["a text"], ["poison"]]


async def test_two_jobs_of_a_record_start_together() -> None:
    """Two jobs of one record start together, and the newer text counts."""
    stage = Stage()
    embedder = deadly(stage)
    await stage.write(ACME, "r1", "poison")
    await stage.write(ACME, "r2", "a text")
    assert await dies(stage)
    await stage.write(ACME, "r1", "a better text")
    embedder.word = None
    await stage.deliver()
    assert sorted(embedder.calls[1:]) == [["a better text"], ["a text"]]
    assert await stage.discrepancies() == []


def test_groups_are_taken_as_they_are_asked_for() -> None:
    """Groups stay within the limit, in order, and take no item before its group."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in (3, 4, 5, 20, 1):
            taken.append(item)
            yield item

    groups = grouped(items(), lambda item: item, 10)
    assert next(groups) == [3, 4]
    assert taken == [3, 4, 5]
    assert list(groups) == [[5], [20], [1]]
    assert list(grouped([], lambda _: 1, 10)) == []
