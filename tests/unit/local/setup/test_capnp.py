"""Tests of `local.setup.capnp`: the message is decoded by the rules of the format."""

from __future__ import annotations

import struct

import pytest

from local.setup.capnp import Module, write_bundle


def _word(segment: bytes, index: int) -> int:
    (word,) = struct.unpack_from("<Q", segment, index * 8)
    return int(word)


def _bytes_behind(segment: bytes, pointer: int) -> bytes:
    word = _word(segment, pointer)
    assert word & 3 == 1, "a list pointer"
    assert word >> 32 & 7 == 2, "of bytes"
    start = (pointer + 1 + ((word & 0xFFFFFFFF) >> 2)) * 8
    return segment[start : start + (word >> 35)]


def test_the_frame_announces_one_segment_of_its_true_length() -> None:
    """The first word has the number of segments less one, and the words of the segment."""
    message = write_bundle([Module("a", "src", b"x")])

    segments, words = struct.unpack_from("<II", message)

    assert (0, (len(message) - 8) // 8) == (segments, words)


def test_the_root_is_a_struct_with_one_list_of_modules() -> None:
    """Root, list pointer and tag say one data word and four pointers per module."""
    segment = write_bundle([Module("a", "src", b""), Module("b", "wasm", b"")])[8:]

    assert _word(segment, 0) == 1 << 48
    assert _word(segment, 1) & 3 == 1
    assert _word(segment, 1) >> 32 & 7 == 7
    assert _word(segment, 1) >> 35 == 2 * 5
    assert _word(segment, 2) == (2 << 2) | (1 << 32) | (4 << 48)


@pytest.mark.parametrize(("arm", "discriminant"), [("src", 0), ("wasm", 1), ("data", 2)])
def test_a_module_carries_its_type_and_its_arm(arm: str, discriminant: int) -> None:
    """The data word has the type (internal) and the arm of the union."""
    segment = write_bundle([Module("a", arm, b"")])[8:]  # type: ignore[arg-type] # all of Literal

    assert struct.unpack_from("<HH", segment, 3 * 8) == (2, discriminant)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 4096])
def test_names_and_contents_come_back(length: int) -> None:
    """Text ends in a zero byte, data does not, and each starts at a word."""
    content = bytes(range(256)) * 16
    modules = [Module("first", "src", content[:length]), Module("zwölf", "data", b"end")]
    segment = write_bundle(modules)[8:]

    read = [
        (_bytes_behind(segment, start + 1), _bytes_behind(segment, start + 2)) for start in (3, 8)
    ]

    assert read == [(b"first\0", content[:length]), ("zwölf".encode() + b"\0", b"end")]


def test_absent_fields_are_null_pointers() -> None:
    """The bundle has no declarations and no compile cache."""
    segment = write_bundle([Module("a", "src", b"x")])[8:]

    assert (_word(segment, 6), _word(segment, 7)) == (0, 0)
