"""Tests of `local.ai.word_encoder`."""

from __future__ import annotations

import numpy as np

from local.ai.word_encoder import WordEncoder


def cosine(left: str, right: str) -> float:
    """The cosine of the vectors of two texts."""
    vectors = WordEncoder().encode([left, right])
    return float(vectors[0] @ vectors[1])


def test_vectors_are_unit_vectors_of_384_components() -> None:
    """So the encoder can replace the sentence model."""
    vectors = WordEncoder().encode(["An owl.", "", "?!"])

    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


def test_the_cosine_is_about_the_share_of_common_words() -> None:
    """Order and case do not matter, and unrelated texts have a cosine near 0."""
    assert cosine("Police arrested three suspects.", "three SUSPECTS police arrested") > 0.999
    assert abs(cosine("a b c d", "a b x y") - 0.5) < 0.15
    assert abs(cosine("river owl lantern", "granite violin harbour")) < 0.2


def test_a_text_has_the_same_vector_in_every_process() -> None:
    """The directions come from a hash without a seed."""
    first = WordEncoder().encode(["owl"])[0]

    assert (first[:8] > 0).tolist() == [False, True, True, True, True, False, False, True]


def test_only_what_the_model_reads_counts() -> None:
    """These are 510 words, unless the whole text is asked for."""
    texts = ["owl " * 510, "owl " * 510 + "river " * 510]

    cut = WordEncoder().encode(texts)
    whole = WordEncoder().encode(texts, whole=True)

    assert np.array_equal(cut[0], cut[1])
    assert not np.array_equal(whole[0], whole[1])


def test_tokens_are_words_and_a_frame() -> None:
    """Each word is one token, and [CLS] and [SEP] are two."""
    assert WordEncoder().count_tokens("An owl, asleep.") == 5
