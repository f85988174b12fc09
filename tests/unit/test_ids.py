"""Ids: those that sort by time, those derived from a seed, and those of vectors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cognate.ids import derived_id, new_id, parse_vector_id, vector_id, vector_key
from cognate.ports import MAX_VECTOR_ID_BYTES

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_new_ids_sort_by_their_millisecond() -> None:
    """A list in the order of ids is in the order of time."""
    moments = [NOW + timedelta(milliseconds=number) for number in range(50)]
    ids = [new_id("job", moment) for moment in moments]
    assert ids == sorted(ids)


def test_new_ids_of_one_moment_differ() -> None:
    """Eighty random bits make them different."""
    assert len({new_id("job", NOW) for _ in range(1000)}) == 1000


def test_an_id_is_a_prefix_and_a_ulid() -> None:
    """The ULID has 26 digits, without letters that look like digits."""
    prefix, digits = new_id("job", NOW).split("_")
    assert (prefix, len(digits)) == ("job", 26)
    assert not set(digits) & set("ilou")


def test_new_ids_of_one_moment_sort_wherever_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from the largest random number, by the largest steps."""
    monkeypatch.setattr("cognate.ids.secrets.randbits", lambda bits: (1 << bits) - 1)
    later = NOW + timedelta(days=1)
    ids = [new_id("job", later) for _ in range(1000)]
    assert ids == sorted(ids)
    assert {len(item) for item in ids} == {len("job_") + 26}


def test_a_derived_id_is_the_same_for_the_same_seed() -> None:
    """A message that arrives twice is one job."""
    assert derived_id("job", "message-1", NOW) == derived_id("job", "message-1", NOW)
    assert derived_id("job", "message-1", NOW) != derived_id("job", "message-2", NOW)


def test_a_derived_id_sorts_by_its_moment() -> None:
    """It sorts among the ids of `new_id`."""
    second = timedelta(seconds=1)
    ids = [new_id("job", NOW - second), derived_id("job", "m", NOW), new_id("job", NOW + second)]
    assert ids == sorted(ids)
    assert len(ids[1]) == len(ids[0])


def test_new_ids_of_one_moment_sort_in_the_order_of_their_making() -> None:
    """So the later of two jobs of one millisecond has the greater id."""
    ids = [new_id("job", NOW) for _ in range(1000)]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("org_a", "claims", "r1"), ("org_b", "claims", "r1")),
        (("org_a", "claims", "r1"), ("org_a", "articles", "r1")),
        (("org_a", "claims", "r1"), ("org_a", "claims", "r2")),
        # Parts that run together to the same text.
        (("org", "a", "b"), ("org", "ab", "")),
        (("org", 'a", "b', "c"), ("org", "a", 'b", "c')),
        (("org,a", "b", "c"), ("org", "a,b", "c")),
    ],
)
def test_no_two_records_share_a_key(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """Equal record ids of two organizations never meet in an index."""
    assert vector_key(*one) != vector_key(*other)


def test_a_vector_id_fits_and_is_read_back() -> None:
    """This holds for any ids of a record, and for more chunks than a record can have."""
    key = vector_key("o" * 128, "t" * 63, "\U0001f600" * 128)
    written = vector_id(key, 99_999_999)
    assert len(written.encode()) <= MAX_VECTOR_ID_BYTES
    assert parse_vector_id(written) == (key, 99_999_999)


@pytest.mark.parametrize(
    "foreign", ["", ".", "abc.1", "a" * 52, "a" * 52 + ".", "a" * 52 + ".-1", "a" * 52 + ".²"]
)
def test_a_foreign_vector_id_is_none_of_ours(foreign: str) -> None:
    """A vector that somebody else wrote to the index is ignored."""
    assert parse_vector_id(foreign) is None
