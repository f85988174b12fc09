"""Store vectors and sketches, and when the index shows them."""

from __future__ import annotations

from cognate.embedding.sketches import sketch
from cognate.ports import StoredVectors
from tests.stage.platform import ACME, BASE, Stage, long_text


async def test_a_sketch_is_stored_for_each_chunk() -> None:
    """Each chunk has the sketch of its stored vector."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(3))
    await stage.drain()
    [row] = await stage.rows(
        "SELECT hex(r.embedding) AS vectors, s.sketch FROM claims r "
        "JOIN cognate_embeddings s ON s.organization_id = r.organization_id "
        "AND s.record_id = r.id WHERE r.organization_id = ?1",
        ACME,
    )
    data = bytes.fromhex(row["vectors"])
    size = BASE.dimensions * 4
    vectors = [
        StoredVectors(data[place * size : (place + 1) * size], BASE.dimensions)
        for place in range(3)
    ]
    assert row["sketch"] == "".join(sketch(vector.data) for vector in vectors)


async def test_an_unchanged_record_that_is_indexed_again_stays_shown() -> None:
    """A record whose entry is written again without a change stays shown."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    before = (await stage.state(ACME, "r1"))["shown_after"]
    stage.local.clock.advance(100)
    await stage.rows("UPDATE cognate_jobs SET status = 'queued', forced = 1, attempts = 0")
    [job] = await stage.rows("SELECT id, scope FROM cognate_jobs")
    await stage.local.queue.send(
        [
            {
                "type": "embedding",
                "version": 1,
                "organizationId": ACME,
                "scope": job["scope"],
                "jobId": job["id"],
            }
        ]
    )
    await stage.drain()
    assert stage.calls("VECTORIZE.upsert") == 2
    assert (await stage.state(ACME, "r1"))["shown_after"] == before


async def test_a_record_with_other_metadata_is_compared_until_the_index_shows_it() -> None:
    """A record with new metadata is compared from D1 until the index shows it."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour", "s1")
    await stage.drain()
    before = (await stage.state(ACME, "r1"))["shown_after"]
    stage.local.clock.advance(100)
    await stage.write(ACME, "r1", "a red harbour", "s2")
    await stage.drain()
    assert (await stage.state(ACME, "r1"))["shown_after"] > before


async def test_what_the_index_refused_is_not_known_to_be_shown() -> None:
    """A record whose upsert failed is compared from D1 until the index has it."""
    stage = Stage()
    stage.fault("upsert", message="out of reach", count=1)
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    assert (await stage.state(ACME, "r1"))["shown_after"] == "9999"


async def test_a_record_without_vectors_has_nothing_to_show() -> None:
    """A record without vectors, or with a blank text, is never compared."""
    stage = Stage()
    await stage.write(ACME, "r1", " ")
    await stage.write(ACME, "r2", "a red harbour")
    assert (await stage.state(ACME, "r2"))["shown_after"] is None
    await stage.drain()
    assert (await stage.state(ACME, "r1"))["shown_after"] is None
