"""Tests of `local.ai.bge_models`, without fastembed, which needs a model hub."""

import importlib
from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from local.ai.bge_models import BgeEncoder
from local.failures import BindingError, StartError

SMALL = "@cf/baai/bge-small-en-v1.5"


class Weights:
    """A stand-in for the model that fastembed loads."""

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def embed(self, documents: list[str]) -> Iterable[NDArray[np.float32]]:
        """Yield a vector per document."""
        for number, _ in enumerate(documents):
            yield np.full(384, number, dtype=np.float32)

    def token_count(self, texts: str) -> int:
        """Count words."""
        return len(texts.split())


def unreachable(model_name: str) -> Weights:
    """Fail as fastembed does when no hub can be reached."""
    raise ValueError(model_name)


def test_vectors_come_in_the_order_of_the_texts() -> None:
    """Each text has one row."""
    vectors = BgeEncoder(Weights).encode(SMALL, 384, "cls", ["a", "b"])
    assert vectors.shape == (2, 384)
    assert vectors[:, 0].tolist() == [0.0, 1.0]


def test_tokens_are_counted_by_the_model_itself() -> None:
    """The tokenizer of the sentence model is not used."""
    assert BgeEncoder(Weights).count_tokens(SMALL, "two words") == 2


@pytest.mark.parametrize(("model", "pooling"), [(SMALL, "mean"), ("@cf/baai/bge-m3", "cls")])
def test_what_fastembed_lacks_is_refused(model: str, pooling: str) -> None:
    """A vector of another space would be worse than an error."""
    encoder = BgeEncoder(Weights)
    with pytest.raises(BindingError, match="LOCAL_AI=bge has no"):
        encoder.encode(model, 384, "mean" if pooling == "mean" else "cls", ["a"])


def test_a_hub_out_of_reach_is_one_sentence() -> None:
    """The sentence says what to do instead."""
    with pytest.raises(BindingError, match=r"could not fetch BAAI/bge-small-en-v1\.5"):
        BgeEncoder(unreachable).encode(SMALL, 384, "cls", ["a"])


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the package and the alternative."""

    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(StartError, match="needs the package fastembed"):
        BgeEncoder.connect(SMALL)
