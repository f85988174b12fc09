"""Halving finds a bad item, and a circuit stops the calls of a failing platform."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

from cognate import errors
from cognate.embedding.platform_calls import (
    CircuitEmbedder,
    CircuitIndex,
    call_halving,
    with_circuits,
)
from cognate.jobs.retry import REJECTIONS
from local.bindings.faults import Fault
from tests.stage.errors import platform_errors
from tests.stage.platform import ACME, ARTICLES, BASE, CLAIMS, Stage, long_text
from tests.stage.watched import WatchedEmbedder, WatchedIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL = ARTICLES.model


def broken_embedder(kind: type[errors.EmbedderError], number: int | None = None) -> WatchedEmbedder:
    """Make an embedder of which each call fails with an error of this class."""
    error = kind("the secret text")
    error.number = number
    return WatchedEmbedder(Stage().local.embedder, error)


def broken_index(kind: type[errors.VectorIndexError]) -> WatchedIndex:
    """Make an index of which each call fails with an error of this class."""
    return WatchedIndex(Stage().local.indexes["VECTORIZE"], kind("the secret text"))


@pytest.mark.parametrize(
    "kind", list(platform_errors(errors.EmbedderError)), ids=lambda kind: kind.__name__
)
async def test_a_model_is_called_again_only_where_its_input_failed(
    kind: type[errors.EmbedderError],
) -> None:
    """Every error that does not blame the input stops the calls of that model only."""
    broken = broken_embedder(kind)
    embedder = CircuitEmbedder(broken)
    for model in (BASE, BASE, BASE, SMALL, SMALL):
        with pytest.raises(kind):
            await embedder.embed(model, ["a text"])
    assert broken.calls == (5 if issubclass(kind, REJECTIONS) else 2)


@pytest.mark.parametrize(
    "kind", list(platform_errors(errors.VectorIndexError)), ids=lambda kind: kind.__name__
)
async def test_an_index_is_called_again_only_where_its_input_failed(
    kind: type[errors.VectorIndexError],
) -> None:
    """Every error that does not blame the input stops all calls of that index."""
    broken = broken_index(kind)
    index = CircuitIndex(broken, "VECTORIZE")
    with pytest.raises(kind):
        await index.upsert([])
    with pytest.raises(kind):
        await index.delete([])
    with pytest.raises(kind):
        await index.query(Stage, top_k=1, conditions={})  # type: ignore[arg-type]  # not looked at
    with pytest.raises(kind):
        await index.describe()
    assert broken.calls == (4 if issubclass(kind, REJECTIONS) else 1)


@pytest.mark.parametrize(
    ("kind", "number", "event"),
    [
        (errors.EmbedderModelUnavailable, 5007, "embedder.model_unavailable"),
        (errors.EmbedderAllowanceUsedUp, 4006, "embedder.allowance_used_up"),
        (errors.EmbedderAccessDenied, 5018, "embedder.access_denied"),
        (errors.EmbedderError, 3043, "embedder.failed"),
        (errors.EmbedderBusy, 3040, "embedder.failed"),
        (errors.EmbedderTimeout, None, "embedder.failed"),
    ],
)
async def test_an_open_circuit_of_a_model_is_one_event(
    kind: type[errors.EmbedderError],
    number: int | None,
    event: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An open circuit logs one event with the model, the code and the number."""
    embedder = CircuitEmbedder(broken_embedder(kind, number))
    for _ in range(3):
        with pytest.raises(kind):
            await embedder.embed(BASE, ["a text"])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"event": event, "model": BASE.name, "code": kind.code, "number": number}
    ]


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (errors.VectorIndexThrottled, "index.throttled"),
        (errors.VectorIndexUnavailable, "index.failed"),
        (errors.VectorIndexError, "index.failed"),
    ],
)
async def test_an_open_circuit_of_an_index_is_one_event(
    kind: type[errors.VectorIndexError], event: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An open circuit of an index logs one event with the binding."""
    index = CircuitIndex(broken_index(kind), "VECTORIZE")
    for _ in range(3):
        with pytest.raises(kind):
            await index.delete([])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"event": event, "index": "VECTORIZE", "code": kind.code, "number": None}
    ]


async def test_the_next_batch_begins_with_closed_circuits() -> None:
    """The next batch calls the platform again."""
    stage = Stage()
    stage.fault("run", message="3040: busy")
    first = with_circuits(stage.platform)
    for _ in range(2):
        with pytest.raises(errors.EmbedderBusy):
            await first.embedder.embed(BASE, ["a text"])
    vectors = await with_circuits(stage.platform).embedder.embed(BASE, ["a text"])
    assert list(vectors.lengths()) == [BASE.dimensions]
    assert stage.calls("AI.run") == 2


@pytest.mark.parametrize(
    ("method", "message", "code"),
    [
        ("run", "3040: Capacity temporarily exceeded", "AI_CAPACITY"),
        ("run", "HTTP 429 Too Many Requests", "AI_CAPACITY"),
        ("run", "9999: something new", "AI_ERROR"),
        ("upsert", "VECTOR_UPSERT_ERROR (code = 40041): Too Many Requests", "VECTORIZE_THROTTLED"),
        ("upsert", "VECTOR_UPSERT_ERROR (code = 49999): something new", "VECTORIZE_ERROR"),
        ("upsert", "Network connection lost.", "VECTORIZE_UNAVAILABLE"),
    ],
)
async def test_a_platform_that_is_out_gets_one_call_of_a_batch(
    method: str, message: str, code: str
) -> None:
    """While the platform is out, each delivery of a large batch makes one call."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": long_text(110) for number in range(11)})
    stage.fault(method, message=message, count=1000)
    name = "AI.run" if method == "run" else "VECTORIZE.upsert"
    pauses = []
    for delivery in range(1, 6):
        verdicts = await stage.deliver()
        assert stage.calls(name) == delivery
        pauses.append(max(after for after in verdicts.values() if after is not None))
        stage.local.clock.advance(1000)
    # Each is longer than the one before, whatever the jitter.
    assert all(later > earlier for earlier, later in zip(pauses, pauses[2:], strict=False))
    found = await stage.rows("SELECT DISTINCT status, error_code, charges FROM cognate_jobs")
    assert found == [{"status": "queued", "error_code": code, "charges": 0}]
    await stage.settle()
    assert set(await stage.jobs()) == {"done"}
    assert await stage.discrepancies() == []


async def test_a_throttled_upsert_lets_nothing_be_deleted_either() -> None:
    """After a throttled upsert the batch deletes nothing."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(3))
    await stage.write(ACME, "r2", "a text")
    await stage.drain()
    await stage.write(ACME, "r1", "short")
    await stage.delete(ACME, "r2")
    before = stage.calls("VECTORIZE.deleteByIds")
    stage.fault("upsert", message="VECTOR_UPSERT_ERROR (code = 40041): Too Many Requests")
    await stage.deliver()
    assert stage.calls("VECTORIZE.deleteByIds") == before
    assert [row["error_code"] for row in await stage.unfinished()] == ["VECTORIZE_THROTTLED"] * 2
    await stage.settle()
    assert await stage.discrepancies() == []
    assert list(stage.indexed()) == stage.vector_ids(ACME, "r1")


async def test_one_retired_model_does_not_stop_the_others() -> None:
    """A retired model does not stop the jobs of another model."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.put(ARTICLES, ACME, "r1", title="A title", body="a body")
    stage.local.bindings.faults.add(
        Fault("AI", "run", "error", count=1000, message="5007: No such model", match=BASE.name)
    )
    await stage.deliver()
    [waiting] = await stage.unfinished()
    assert (waiting["scope"], waiting["error_code"]) == (CLAIMS.scope, "AI_MODEL_UNAVAILABLE")
    assert sorted(await stage.jobs()) == ["done", "queued"]


async def test_what_always_fails_without_a_name_holds_up_no_fresh_record() -> None:
    """A record that fails often without a known reason does not delay fresh records."""
    stage = Stage()
    for number in range(3):
        await stage.write(ACME, f"odd{number}", f"an odd text {number}")
    stage.fault("run", message="9999: something new", match="odd", count=1000)
    for _ in range(4):
        await stage.deliver()
        stage.local.clock.advance(1000)
    calls = stage.calls("AI.run")
    await stage.write_many(ACME, {f"r{number}": f"text {number}" for number in range(50)})
    await stage.deliver()
    # One call for the fresh ones, and one for those that are waiting.
    assert stage.calls("AI.run") == calls + 2
    found = await stage.jobs()
    assert (found.count("done"), found.count("queued")) == (50, 3)


async def call_in_halves(
    items: Sequence[int], bad: set[int], error: errors.PlatformError
) -> tuple[list[tuple[list[int], bool]], int]:
    """Return the parts, whether each went well, and the number of calls."""
    calls = 0

    async def call(part: Sequence[int]) -> str:
        nonlocal calls
        calls += 1
        if bad & set(part):
            raise error
        return "well"

    found = await call_halving(items, call, (errors.EmbedderRejected,))
    return [(list(part), result == "well") for part, result in found], calls


async def test_without_a_fault_there_is_one_call() -> None:
    """Without a bad item there is one call."""
    assert await call_in_halves(range(100), set(), errors.EmbedderRejected()) == (
        [(list(range(100)), True)],
        1,
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 99, 100])
async def test_one_bad_item_fails_alone(size: int) -> None:
    """One bad item fails alone, after at most two calls for each halving and one more."""
    for bad in range(size):
        parts, calls = await call_in_halves(range(size), {bad}, errors.EmbedderRejected())
        assert [part for part, went_well in parts if not went_well] == [[bad]]
        assert [item for part, _ in parts for item in part] == list(range(size))
        assert calls <= 2 * math.ceil(math.log2(size)) + 1


async def test_an_error_that_is_nobodys_own_is_not_divided() -> None:
    """An error that does not blame the input is not halved."""
    assert await call_in_halves(range(100), {3}, errors.EmbedderBusy()) == (
        [(list(range(100)), False)],
        1,
    )


async def test_all_bad_items_are_found() -> None:
    """Several bad items are all found."""
    parts, _ = await call_in_halves(range(10), {0, 4, 5, 9}, errors.EmbedderRejected())
    assert [part for part, went_well in parts if not went_well] == [[0], [4], [5], [9]]
