"""What every vector index promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from cognate.errors import VectorIndexError, VectorIndexRejected
from cognate.models import DEFAULT_MODEL, MODELS
from cognate.ports import (
    FLOAT32_BYTES,
    MAX_TOP_K,
    MAX_UPSERT,
    MAX_VECTOR_ID_BYTES,
    IndexMatch,
    StoredVectors,
    VectorEntry,
)
from tests.contract.polling import until
from tests.contract.raising import raised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cognate.ports import Embedder, Scalar, VectorIndex, Vectors

MODEL: Final = MODELS[DEFAULT_MODEL]
OWNER: Final = "organizationId"
TABLE: Final = "table"
"""The two metadata indexes that every index of Cognate has."""


def one(*weights: float) -> StoredVectors:
    """A vector with these first components; the others are zero."""
    return StoredVectors.of([*weights, *[0.0] * (MODEL.dimensions - len(weights))])


class VectorIndexSuite(ABC):
    """The contract of `cognate.ports.VectorIndex`, over an index of the default model's dimension.

    Each test writes for organizations of its own, so that what is in the index does not matter.
    """

    @abstractmethod
    def index(self) -> VectorIndex:
        """The index under test."""

    @abstractmethod
    def embedder(self) -> Embedder:
        """The embedder of the same platform: its vectors must fit the index as they are."""

    @abstractmethod
    async def elapse(self) -> None:
        """Let some time pass, so that writes become visible."""

    async def found(
        self, organization: str, vectors: Vectors, *, top_k: int = 10, **conditions: Scalar
    ) -> list[IndexMatch]:
        """What is near, of one organization."""
        await self.elapse()
        wanted: dict[str, Any] = {OWNER: {"$eq": organization}, **conditions}
        return await self.index().query(vectors, top_k=top_k, conditions=wanted)

    async def wait(
        self, organization: str, expected: Callable[[list[IndexMatch]], bool], vectors: Vectors
    ) -> list[IndexMatch]:
        """What is near, once it is as expected."""
        answers: list[list[IndexMatch]] = []

        async def is_so() -> bool:
            answers.append(await self.found(organization, vectors))
            return expected(answers[-1])

        await until(is_so)
        return answers[-1]

    async def wait_for(
        self, organization: str, ids: Sequence[str], vectors: Vectors
    ) -> list[IndexMatch]:
        """What is near, once it is these, in any order."""
        return await self.wait(
            organization, lambda found: sorted(match.id for match in found) == sorted(ids), vectors
        )

    async def test_stored_vectors_are_found_best_first(self) -> None:
        """With the index's score, and with the metadata that has an index."""
        org, near, far = uuid4().hex, uuid4().hex, uuid4().hex
        await self.index().upsert(
            [entry(far, org, one(0.6, 0.8), table="notes"), entry(near, org, one(1, 0.1))]
        )

        first, second = await self.wait_for(org, [near, far], one(2))

        assert (first.id, second.id) == (near, far)
        assert abs(first.score - 0.995) < 0.01
        assert abs(second.score - 0.6) < 0.01
        assert first.metadata == {OWNER: org, TABLE: "claims"}
        assert second.metadata == {OWNER: org, TABLE: "notes"}

    async def test_vectors_of_the_embedder_are_found(self) -> None:
        """Each row goes to its own entry, whatever the order; and they make queries too."""
        org, owl, river = uuid4().hex, uuid4().hex, uuid4().hex
        vectors = await self.embedder().embed(MODEL, ["A river rose.", "An owl sleeps."])
        await self.index().upsert([entry(owl, org, vectors, 1), entry(river, org, vectors, 0)])

        for text, best in (("An owl sleeps.", owl), ("A river rose.", river)):
            query = await self.embedder().embed(MODEL, [text])
            matches = await self.wait_for(org, [owl, river], query)

            assert matches[0].id == best
            assert abs(matches[0].score - 1) < 0.01

    async def test_stored_and_fresh_vectors_go_in_together(self) -> None:
        """A vector read back from its float32 bytes is the same vector."""
        org, fresh, stored = uuid4().hex, uuid4().hex, uuid4().hex
        vectors = await self.embedder().embed(MODEL, ["An owl sleeps.", "A river rose."])
        kept = StoredVectors(vectors.float32(), MODEL.dimensions)
        await self.index().upsert([entry(fresh, org, vectors, 1), entry(stored, org, kept, 1)])

        river = StoredVectors(
            vectors.float32()[MODEL.dimensions * FLOAT32_BYTES :], MODEL.dimensions
        )
        matches = await self.wait_for(org, [fresh, stored], river)

        assert all(abs(match.score - 1) < 0.01 for match in matches)

    async def test_a_query_asks_by_the_first_vector(self) -> None:
        """The others of the batch do not matter."""
        org, first, second = uuid4().hex, uuid4().hex, uuid4().hex
        both = StoredVectors(one(1).data + one(0, 1).data, MODEL.dimensions)
        await self.index().upsert([entry(second, org, both, 1), entry(first, org, both, 0)])

        matches = await self.wait_for(org, [first, second], both)

        assert matches[0].id == first

    async def test_a_filter_keeps_organizations_apart(self) -> None:
        """Equal vectors of two organizations: each finds its own, and a third none."""
        orgs = [uuid4().hex, uuid4().hex]
        await self.index().upsert([entry(f"{org}.0", org, one(1)) for org in orgs])

        for org in orgs:
            assert [match.id for match in await self.wait_for(org, [f"{org}.0"], one(1))]
        assert await self.found(uuid4().hex, one(1)) == []

    async def test_conditions_narrow(self) -> None:
        """All of them must hold; operators work as values do."""
        org = uuid4().hex
        tables = ["claims", "notes", "goods"]
        await self.index().upsert(
            [entry(f"{org}.{name}", org, one(1), table=name) for name in tables]
        )
        await self.wait_for(org, [f"{org}.{name}" for name in tables], one(1))

        async def found(condition: Any) -> set[str]:
            matches = await self.found(org, one(1), **{TABLE: condition})
            return {match.id.partition(".")[2] for match in matches}

        assert await found("notes") == {"notes"}
        assert await found({"$ne": "notes"}) == {"claims", "goods"}
        assert await found({"$in": ["claims", "goods", "none"]}) == {"claims", "goods"}
        assert await found({"$gte": "d", "$lt": "n"}) == {"goods"}

    async def test_no_conditions_are_no_filter(self) -> None:
        """The whole index is asked."""
        org = uuid4().hex
        await self.index().upsert([entry(f"{org}.0", org, one(1))])
        await self.wait_for(org, [f"{org}.0"], one(1))

        assert await self.index().query(one(1), top_k=1, conditions={})

    async def test_a_key_without_a_metadata_index_matches_nothing(self) -> None:
        """No error says so: the reason that indexes are made from the schema."""
        org = uuid4().hex
        await self.index().upsert([entry(f"{org}.0", org, one(1), unindexed="here")])
        await self.wait_for(org, [f"{org}.0"], one(1))

        assert await self.found(org, one(1), unindexed="here") == []

    async def test_numbers_of_every_size_can_be_metadata(self) -> None:
        """A time in milliseconds, and the largest number that JSON can be trusted with."""
        org = uuid4().hex
        metadata: dict[str, Any] = {"a": 1_790_000_000_000, "b": 2**53 - 1, "c": 0.5, "d": True}

        await self.index().upsert([entry(f"{org}.0", org, one(1), **metadata)])

        await self.wait_for(org, [f"{org}.0"], one(1))
        for number in (1_790_000_000_000, 2**53 - 1):
            assert await self.found(org, one(1), unindexed=number) == []

    async def test_an_upsert_replaces_as_a_whole(self) -> None:
        """Vector and metadata, and the entry is still one."""
        org, other = uuid4().hex, uuid4().hex
        await self.index().upsert([entry(f"{org}.0", org, one(1))])
        await self.wait_for(org, [f"{org}.0"], one(1))

        await self.index().upsert([entry(f"{org}.0", other, one(0, 1))])

        [match] = await self.wait_for(other, [f"{org}.0"], one(0, 1))
        assert abs(match.score - 1) < 0.01
        assert await self.found(org, one(1)) == []

    async def test_what_is_deleted_is_no_longer_found(self) -> None:
        """Its neighbours are; unknown ids are no error."""
        org = uuid4().hex
        await self.index().upsert([entry(f"{org}.{number}", org, one(1)) for number in range(3)])
        await self.wait_for(org, [f"{org}.{number}" for number in range(3)], one(1))

        await self.index().delete([f"{org}.0", f"{org}.2", f"{org}.9"])

        await self.wait_for(org, [f"{org}.1"], one(1))

    async def test_more_can_be_deleted_than_one_call_takes(self) -> None:
        """The adapter divides them; nothing to delete is no error either."""
        org = uuid4().hex
        ids = [f"{org}.{number}" for number in range(250)]
        vectors = [entry(vector_id, org, one(1)) for vector_id in ids]
        await self.index().upsert(vectors)
        await self.wait(org, lambda found: len(found) == 10, one(1))

        await self.index().delete([])
        await self.index().delete(ids)

        await self.wait_for(org, [], one(1))

    async def test_top_k_is_at_most_a_hundred(self) -> None:
        """A hundred and not one fewer are answered; to ask for more is an error."""
        org = uuid4().hex
        await self.index().upsert(
            [entry(f"{org}.{number}", org, one(1)) for number in range(MAX_TOP_K + 1)]
        )
        await self.wait(org, lambda found: len(found) == 10, one(1))

        assert len(await self.found(org, one(1), top_k=MAX_TOP_K)) == MAX_TOP_K
        error = await raised(self.found(org, one(1), top_k=MAX_TOP_K + 1))
        # Nobody's fault but the caller's: it blames no vector and no filter.
        assert type(error) is VectorIndexError

    async def test_an_id_has_at_most_64_bytes(self) -> None:
        """Bytes and not characters; one that is too long rejects its whole batch."""
        org = uuid4().hex
        longest = (org + "é" * MAX_VECTOR_ID_BYTES).encode()[:MAX_VECTOR_ID_BYTES].decode()
        too_long = (org + "é" * MAX_VECTOR_ID_BYTES)[:MAX_VECTOR_ID_BYTES]

        error = await raised(
            self.index().upsert([entry(f"{org}.0", org, one(1)), entry(too_long, org, one(1))])
        )
        await self.index().upsert([entry(longest, org, one(1))])

        assert type(error) is VectorIndexRejected
        await self.wait(org, bool, one(1))
        assert [match.id for match in await self.found(org, one(1))] == [longest]

    async def test_a_vector_of_another_dimension_is_rejected(self) -> None:
        """To write it, and to ask by it."""
        org, short = uuid4().hex, StoredVectors.of([1.0, 0.0])

        for call in (
            self.index().upsert([entry(f"{org}.0", org, short)]),
            self.index().query(short, top_k=1, conditions={OWNER: org}),
        ):
            assert type(await raised(call)) is VectorIndexRejected

    async def test_an_index_names_the_newest_mutation_that_it_shows(self) -> None:
        """Each write answers the id of its mutation; `describe` names it when it is processed."""
        org = uuid4().hex
        first = await self.index().upsert([entry(f"{org}.{row}", org, one(1)) for row in range(3)])
        [second] = await self.index().delete([f"{org}.0", "unknown"])
        # A deletion of ids that no vector has is a mutation too, and the last one here.
        [last] = await self.index().delete(["unknown"])

        async def is_named() -> bool:
            await self.elapse()
            return (await self.index().describe()).processed == last

        await until(is_named)
        assert len({first, second, last}) == 3
        assert (await self.index().describe()).vectors >= 2
        found = await self.index().query(one(1), top_k=10, conditions={OWNER: {"$eq": org}})
        assert sorted(match.id for match in found) == [f"{org}.1", f"{org}.2"]

    async def test_each_call_of_a_long_deletion_is_a_mutation(self) -> None:
        """And nothing to delete is none."""
        assert [] == await self.index().delete([])
        assert 3 == len(await self.index().delete([f"unknown.{row}" for row in range(201)]))

    async def test_a_thousand_vectors_are_the_most_of_one_upsert(self) -> None:
        """One more is an error, and nothing of it is written."""
        org, late = uuid4().hex, uuid4().hex
        data = StoredVectors(one(1).data * (MAX_UPSERT + 1), MODEL.dimensions)
        entries = [entry(f"{org}.{row}", org, data, row) for row in range(MAX_UPSERT + 1)]

        # Nobody's fault but the caller's: it blames no record.
        assert type(await raised(self.index().upsert(entries))) is VectorIndexError
        await self.index().upsert([entry(f"{late}.0", late, one(1))])
        await self.wait_for(late, [f"{late}.0"], one(1))
        assert await self.found(org, one(1)) == []
        await self.index().upsert(entries[:MAX_UPSERT])
        await self.wait(org, lambda found: len(found) == 10, one(1))
        await self.index().delete([item.id for item in entries])

    async def test_metadata_has_at_most_ten_kilobytes(self) -> None:
        """More is an error of the caller."""
        org = uuid4().hex

        error = await raised(
            self.index().upsert([entry(f"{org}.0", org, one(1), text="x" * 10_241)])
        )

        assert type(error) is VectorIndexRejected


def entry(
    vector_id: str, organization: str, vectors: Vectors, position: int = 0, **metadata: Scalar
) -> VectorEntry:
    """One entry of an organization, in the table of claims unless another is given."""
    labels: Mapping[str, Scalar] = {OWNER: organization, TABLE: "claims", **metadata}
    return VectorEntry(vector_id, vectors, position, labels)
