"""Tests of `local.ai.sentence_model` against the reference implementation."""

from pathlib import Path

import numpy as np
import pytest

from local.ai.sentence_model import MAX_TOKENS, SentenceModel
from local.failures import StartError

POLICE = "Police arrested three suspects"
WORDS = "claim " * 509
"""509 words of one token each, and one token short of a full window with [CLS] and [SEP]."""


@pytest.fixture(scope="module")
def model() -> SentenceModel:
    """The packaged model."""
    return SentenceModel.load()


@pytest.mark.parametrize(
    ("other", "cosine"),
    [
        # The same statement in the passive.
        ("Three suspects were arrested by police", 0.97),
        # The same event in other words.
        ("Officers took three people into custody", 0.67),
        # Something else.
        ("The stock market fell today", -0.06),
    ],
)
def test_cosines_are_those_of_the_reference(
    model: SentenceModel, other: str, cosine: float
) -> None:
    """They equal those of sentence-transformers to two decimals."""
    first, second = model.encode([POLICE, other])
    assert float(first @ second) == pytest.approx(cosine, abs=0.005)


def test_vectors_have_unit_length_and_384_components(model: SentenceModel) -> None:
    """So a cosine is a plain product."""
    vectors = model.encode([POLICE, "x", WORDS])
    assert vectors.shape == (3, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_no_texts_give_no_vectors(model: SentenceModel) -> None:
    """The shape stays two-dimensional."""
    assert model.encode([]).shape == (0, 384)


def test_a_batch_of_mixed_lengths_equals_its_texts_one_by_one() -> None:
    """Padding and the order of batches change no vector."""
    texts = [WORDS, "a", "two words", "a sentence of middle length about nothing much", "a"]
    together = SentenceModel.load().encode(texts)
    alone = SentenceModel.load()
    assert together == pytest.approx(
        np.concatenate([alone.encode([text]) for text in texts]), abs=1e-5
    )


def test_a_remembered_text_gives_the_same_vector(model: SentenceModel) -> None:
    """The cache returns copies, so changing one answer does not change the next."""
    first = model.encode([POLICE])
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(model.encode([POLICE]), kept)


def test_tokens_are_counted_with_both_marks(model: SentenceModel) -> None:
    """[CLS], four words and [SEP] are six. The tokenizer's own limit of 128 is off."""
    assert model.count_tokens(POLICE) == 6
    assert model.count_tokens(WORDS) == 511


def test_512_tokens_are_read_and_the_513th_is_not(model: SentenceModel) -> None:
    """A change inside the window changes the vector, a change after it does not."""
    full = WORDS + "police"
    assert model.count_tokens(full) == MAX_TOKENS
    base, changed, beyond = model.encode([full, WORDS + "market", full + " market"])
    assert not np.allclose(base, changed, atol=1e-4)
    assert np.allclose(base, beyond, atol=1e-6)


def test_whole_reads_on_behind_512_tokens(model: SentenceModel) -> None:
    """With `whole`, the last words of a long text change the vector."""
    first, second = model.encode([WORDS + "police " * 300, WORDS + "market " * 300], whole=True)
    assert float(first @ second) < 0.99


def test_other_weights_are_refused(tmp_path: Path) -> None:
    """The error names the file and both hashes."""
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(StartError, match=r"model\.safetensors is not the expected file"):
        SentenceModel.load(tmp_path)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    """The sentence names the file that cannot be read."""
    with pytest.raises(StartError, match=r"model\.safetensors cannot be read"):
        SentenceModel.load(tmp_path)
