"""Limits: an accepted text can be embedded, and a short text is checked by its length alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cognate import text_limits
from cognate.chunking import chunk
from cognate.text_limits import (
    BYTES_OF_A_CHUNK,
    MAX_CHUNKS,
    MAX_METADATA_BYTES,
    MAX_TEXT_CHARACTERS,
    length_problem,
    metadata_problem,
    text_problem,
)
from tests.stage.platform import BASE

SCRIPTS: Final = {
    "Chinese": "\u6f22\u5b57",
    "Hangul": "\ud55c\uad6d\uc5b4 ",
    "Devanagari": "\u0928\u092e\u0938\u094d\u0924\u0947 ",
    "hexadecimal": "0123456789abcdef",
    "one letter": "a",
    "punctuation": "!",
    "musical": "\U0001d15e",
    "accents": "\xe9\u0301",
    "words": "the ship sank off the coast. ",
}
"""Texts of many tokens, by script."""

JUDGED_BY_LENGTH: Final = MAX_CHUNKS * BASE.max_tokens // BYTES_OF_A_CHUNK
"""Bytes of the longest text that is not chunked to check it."""


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("characters", [1000, 12_000, 50_000, MAX_TEXT_CHARACTERS])
def test_what_is_accepted_can_be_embedded(script: str, characters: int) -> None:
    """In any script, a text is refused if and only if it has too many chunks."""
    text = (SCRIPTS[script] * characters)[:characters]

    problem = text_problem(text, BASE)

    assert (problem is not None) is (len(chunk(text, BASE.max_tokens)) > MAX_CHUNKS)


def test_the_refusal_names_both_numbers() -> None:
    """The message has both numbers and not the text."""
    text = SCRIPTS["Hangul"] * (MAX_TEXT_CHARACTERS // 4)

    chunks = len(chunk(text, BASE.max_tokens))

    bound = "must come to at most 200 chunks of 512 tokens"
    assert f"{bound}, and comes to {chunks}; split it into several" == text_problem(text, BASE)


@pytest.mark.parametrize(
    ("unit", "characters"),
    [
        ("\uac00", 27_000),
        (SCRIPTS["Devanagari"], 34_000),
        (SCRIPTS["hexadecimal"], 76_000),
        ("\u6f22", 89_000),
    ],
)
def test_the_readme_says_how_long_a_text_of_a_script_may_be(unit: str, characters: int) -> None:
    """A text of this length is accepted, and one that is a little longer is not."""
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    text = unit * MAX_TEXT_CHARACTERS

    assert f"{characters:,} " in readme
    assert text_problem(text[:characters], BASE) is None
    assert text_problem(text[: characters + characters // 20], BASE) is not None


@given(
    st.lists(st.sampled_from([*SCRIPTS.values(), "\n\n", ". ", "\ufe0f", "x" * 20]), min_size=1),
    st.integers(0, 3),
)
@example([SCRIPTS["hexadecimal"]], 0)
@example(["\U0001d15e" * 20, "\u0301" * 4], 0)
@example(["x" * 20], 0)
def test_a_short_text_never_has_too_many_chunks(parts: list[str], cut: int) -> None:
    """The bound in bytes holds, so such a text need not be chunked to check it."""
    unit = "".join(parts)
    text = (unit * (JUDGED_BY_LENGTH // len(unit.encode()) + 1)).encode()
    short = text[: JUDGED_BY_LENGTH - cut].decode(errors="ignore")

    assert len(chunk(short, BASE.max_tokens)) <= MAX_CHUNKS


def test_a_short_text_is_not_chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a longer text is chunked."""
    chunked: list[int] = []

    def counting(text: str, max_tokens: int) -> list[object]:
        chunked.append(max_tokens)
        return [text]

    monkeypatch.setattr(text_limits, "chunk", counting)

    assert text_problem("x" * JUDGED_BY_LENGTH, BASE) is None
    assert [] == chunked
    assert text_problem("x" * (JUDGED_BY_LENGTH + 1), BASE) is None
    assert [BASE.max_tokens] == chunked


@pytest.mark.parametrize("text", ["a\x00b", "\x00", "a\ud83d"])
def test_what_d1_cannot_hold_is_refused(text: str) -> None:
    """These characters are NUL and half of a surrogate pair."""
    assert text_problem(text, BASE) == "must have no NUL and no half characters"


def test_a_text_may_have_so_many_characters() -> None:
    """One character more is refused."""
    assert length_problem("x" * MAX_TEXT_CHARACTERS) is None
    assert length_problem("x" * (MAX_TEXT_CHARACTERS + 1)) is not None
    assert text_problem("x" * (MAX_TEXT_CHARACTERS + 1), BASE) is not None


@pytest.mark.parametrize("letter", ["s", "\xe9", "\u6f22", '"'])
def test_metadata_may_have_so_many_bytes(letter: str) -> None:
    """The bytes are those of compact JSON in UTF-8, as Vectorize counts them."""
    size = len(json.dumps(letter, ensure_ascii=False).encode()) - 2
    room, rest = divmod(MAX_METADATA_BYTES - len('{"storyId":""}'), size)
    fits = letter * room + "x" * rest

    assert metadata_problem({"storyId": fits}) is None
    assert "comes to 10,241" in (metadata_problem({"storyId": fits + "x"}) or "")
