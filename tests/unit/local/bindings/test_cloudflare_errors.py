"""Tests of `local.bindings.cloudflare_errors`."""

from __future__ import annotations

import pytest

from local.ai.local_workers_ai import LocalWorkersAI
from local.bindings.calls import _VECTORIZE
from local.bindings.cloudflare_errors import AI_SENTENCES, INDEX_SENTENCES, cloudflare_error
from local.failures import BindingError
from tests.unit.local.ai.test_local_workers_ai import Words


@pytest.mark.parametrize("number", AI_SENTENCES)
def test_an_error_of_workers_ai_starts_with_its_number(number: int) -> None:
    """Its name is that of the binding's errors."""
    error = cloudflare_error("run", number)

    assert error is not None
    assert error.name == "AiError"
    assert error.message.startswith(f"{number}: ")


@pytest.mark.parametrize("method", _VECTORIZE)
@pytest.mark.parametrize("number", INDEX_SENTENCES)
def test_an_error_of_vectorize_names_its_operation_and_code(method: str, number: int) -> None:
    """Each method of the binding can fail with each error."""
    error = cloudflare_error(method, number)

    assert error is not None
    assert error.name == "Error"
    assert f"_ERROR (code = {number}): " in error.message


def test_the_words_for_an_invalid_input_are_those_of_the_local_workers_ai() -> None:
    """An ordered error reads like one that the local Workers AI raises itself."""
    with pytest.raises(BindingError) as raised:
        LocalWorkersAI(Words()).run("@cf/baai/bge-base-en-v1.5", {"text": ""})
    ordered = cloudflare_error("run", 5006)

    assert ordered is not None
    assert raised.value.message.startswith(ordered.message)


@pytest.mark.parametrize(
    ("method", "number"), [("run", 40041), ("upsert", 3040), ("search", 40041), ("run", 1)]
)
def test_there_is_no_error_of_an_unknown_number(method: str, number: int) -> None:
    """An unknown method has no errors either."""
    assert cloudflare_error(method, number) is None
