"""Tests of `local.ai.local_workers_ai`: shapes, limits and errors of `env.AI.run`."""

from collections.abc import Sequence

import numpy as np
import pytest

from local.ai.embedding_spaces import PoolingMethod, StandInEncoder
from local.ai.local_workers_ai import (
    BGE_M3_MAX_TOKENS,
    LONG_CONTEXT_MODELS,
    MAX_TEXTS,
    LocalWorkersAI,
)
from local.ai.sentence_model import Matrix, SentenceModel
from local.failures import BindingError

SMALL = "@cf/baai/bge-small-en-v1.5"
BASE = "@cf/baai/bge-base-en-v1.5"
LARGE = "@cf/baai/bge-large-en-v1.5"
M3 = "@cf/baai/bge-m3"


class Words:
    """A cheap encoder: a token is a word, and a vector has the length of the text."""

    def count_tokens(self, model: str, text: str) -> int:
        """Count words."""
        del model
        return len(text.split())

    def encode(
        self, model: str, dimensions: int, pooling: PoolingMethod, texts: Sequence[str]
    ) -> Matrix:
        """One vector of one component for each text."""
        del model, pooling
        return np.array([[len(text)] * dimensions for text in texts], dtype=np.float32)


@pytest.fixture
def ai() -> LocalWorkersAI:
    """The binding over the cheap encoder."""
    return LocalWorkersAI(Words())


@pytest.fixture(scope="module")
def real_ai() -> LocalWorkersAI:
    """The binding over the sentence model."""
    return LocalWorkersAI(StandInEncoder(SentenceModel.load(), LONG_CONTEXT_MODELS))


def message(ai: LocalWorkersAI, model: object, arguments: object) -> str:
    """The message of the `AiError` that this call raises."""
    with pytest.raises(BindingError) as raised:
        ai.run(model, arguments)
    assert raised.value.name == "AiError"
    return raised.value.message


@pytest.mark.parametrize(
    ("model", "dimensions"), [(SMALL, 384), (BASE, 768), (LARGE, 1024), (M3, 1024)]
)
def test_the_answer_has_exactly_three_keys(ai: LocalWorkersAI, model: str, dimensions: int) -> None:
    """They are shape, data and pooling, as on Cloudflare."""
    answer = ai.run(model, {"text": ["a", "bb"], "pooling": "cls"})
    assert list(answer) == ["shape", "data", "pooling"]
    assert answer["shape"] == [2, dimensions]
    assert [len(vector) for vector in answer["data"]] == [dimensions, dimensions]
    assert [vector[0] for vector in answer["data"]] == [1.0, 2.0]


def test_one_text_is_a_batch_of_one(ai: LocalWorkersAI) -> None:
    """A single string is answered with a list of one vector."""
    answer = ai.run(BASE, {"text": "abc"})
    assert answer["shape"] == [1, 768]
    assert len(answer["data"]) == 1


def test_pooling_is_mean_unless_asked_otherwise(ai: LocalWorkersAI) -> None:
    """This is Cloudflare's default, though bge was trained with cls."""
    assert ai.run(BASE, {"text": "a"})["pooling"] == "mean"
    assert ai.run(BASE, {"text": "a", "pooling": "cls"})["pooling"] == "cls"
    assert ai.run(M3, {"text": "a"})["pooling"] == "cls"


def test_a_model_that_does_not_exist(ai: LocalWorkersAI) -> None:
    """The error is 5007 and names the model."""
    expected = "5007: No such model @cf/baai/bge-huge or task"
    assert message(ai, "@cf/baai/bge-huge", {"text": "a"}) == expected


def test_100_texts_pass_and_101_do_not(ai: LocalWorkersAI) -> None:
    """Every embedding model has this limit."""
    assert ai.run(BASE, {"text": ["a"] * MAX_TEXTS})["shape"] == [100, 768]
    assert "Length of '/text' must be <= 100" in message(
        ai, BASE, {"text": ["a"] * (MAX_TEXTS + 1)}
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (None, "Type mismatch of '/', 'null' not in 'object'"),
        ([], "Type mismatch of '/', 'array' not in 'object'"),
        ({}, "required properties at '/' are 'text'"),
        ({"text": 1}, "Type mismatch of '/text', 'number' not in 'string','array'"),
        ({"text": True}, "Type mismatch of '/text', 'boolean' not in 'string','array'"),
        ({"text": {}}, "Type mismatch of '/text', 'object' not in 'string','array'"),
        ({"text": ""}, "Length of '/text' must be >= 1"),
        ({"text": []}, "Length of '/text' must be >= 1"),
        ({"text": ["a", 1]}, "Type mismatch of '/text/1', 'number' not in 'string'"),
        ({"text": ["a", ""]}, "Length of '/text/1' must be >= 1"),
        ({"text": "a", "pooling": "max"}, "'/pooling' must be one of 'mean','cls'"),
    ],
)
def test_an_invalid_input_is_5006_with_the_reason(
    ai: LocalWorkersAI, arguments: object, problem: str
) -> None:
    """Each row is one invalid input."""
    found = message(ai, BASE, arguments)
    assert found.startswith("5006: Error: ")
    assert problem in found


def test_the_sentence_lists_what_every_form_of_input_lacks(ai: LocalWorkersAI) -> None:
    """The sentence is word for word that of Cloudflare's validator."""
    assert message(ai, M3, {}) == (
        "5006: Error: oneOf at '/' not met, 0 matches: required properties at '/' are 'text', "
        "required properties at '/' are 'contexts', required properties at '/' are 'requests'"
    )


def test_a_text_at_the_limit_of_bge_m3_passes_and_a_longer_one_does_not(
    ai: LocalWorkersAI,
) -> None:
    """The limit is 60,000 tokens, unless the caller allows a cut."""
    full = "a " * BGE_M3_MAX_TOKENS
    assert ai.run(M3, {"text": full})["shape"] == [1, 1024]
    assert message(ai, M3, {"text": full + "a"}).startswith("5021: ")
    assert ai.run(M3, {"text": full + "a", "truncate_inputs": True})["shape"] == [1, 1024]


def test_the_english_models_cut_without_a_word(ai: LocalWorkersAI) -> None:
    """A text of any length is accepted."""
    assert ai.run(BASE, {"text": "a " * 100_000})["shape"] == [1, 768]


def test_half_a_surrogate_pair_is_read_as_some_character(real_ai: LocalWorkersAI) -> None:
    """A JavaScript string may have one, but no tokenizer accepts it."""
    assert real_ai.run(SMALL, {"text": "a \ud83d b"})["shape"] == [1, 384]


def test_similar_sentences_lie_on_the_scale_of_bge(real_ai: LocalWorkersAI) -> None:
    """The cosines 0.98, 0.82 and 0.41 fit the default thresholds (0.90, 0.85, 0.75)."""
    data = np.array(
        real_ai.run(
            BASE,
            {
                "text": [
                    "Police arrested three suspects",
                    "Three suspects were arrested by police",
                    "Officers took three people into custody",
                    "The stock market fell today",
                ],
                "pooling": "cls",
            },
        )["data"]
    )
    assert data[0] @ data.T == pytest.approx([1.0, 0.983, 0.817, 0.409], abs=0.002)


def test_poolings_and_models_cannot_be_mixed(real_ai: LocalWorkersAI) -> None:
    """One text has four vectors of 1024 components, and none is near another."""
    text = {"text": "Police arrested three suspects"}
    vectors = np.array(
        [
            real_ai.run(LARGE, {**text, "pooling": "cls"})["data"][0],
            real_ai.run(LARGE, {**text, "pooling": "mean"})["data"][0],
            real_ai.run(M3, text)["data"][0],
        ]
    )
    assert vectors @ vectors.T == pytest.approx(np.eye(3), abs=0.3)
