"""The route in Workers AI's own form, checked against the JSON schema that Workers AI publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from cognate.api.routes.run import MAX_TEXTS, RunRequest
from cognate.errors import EmbedderBusy
from cognate.models import DEFAULT_MODEL, MODELS
from cognate.text_limits import MAX_TEXT_CHARACTERS

if TYPE_CHECKING:
    from tests.stage.http import ApiStage as Stage

RUN: Final = "/api/v1/embeddings/run"

INPUT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "text": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    },
    "required": ["text"],
}
"""The input schema that Workers AI publishes for the task `text-embeddings`."""

OUTPUT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "shape": {"type": "array", "items": {"type": "number"}},
        "data": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
    },
}
"""Its output."""

_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
}


def conforms(value: Any, schema: dict[str, Any]) -> bool:
    """Tells whether a value meets a JSON schema that uses only the keywords above."""
    unknown = schema.keys() - {"type", "properties", "required", "items", "oneOf"}
    assert not unknown, f"the test does not know the keywords {unknown}"
    if "oneOf" in schema:
        return sum(conforms(value, option) for option in schema["oneOf"]) == 1
    if not isinstance(value, _TYPES[schema["type"]]) or isinstance(value, bool):
        return False
    if isinstance(value, list):
        return all(conforms(item, schema["items"]) for item in value)
    if isinstance(value, dict):
        properties = schema["properties"]
        present = all(name in value for name in schema.get("required", []))
        return present and all(
            conforms(value[name], properties[name]) for name in properties if name in value
        )
    return True


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"text": "a"}, True),
        ({"text": ["a", "b"]}, True),
        ({"text": ["a", 1]}, False),
        ({"text": 1}, False),
        ({}, False),
        ([], False),
    ],
)
def test_the_check_of_a_schema_tells_good_from_bad(value: Any, *, expected: bool) -> None:
    """The schema check accepts good values and refuses bad ones."""
    assert conforms(value, INPUT_SCHEMA) is expected


@pytest.mark.parametrize("model", [*MODELS, None])
@pytest.mark.parametrize("text", ["a text", ["a text"], ["one", "two", "three"]])
async def test_each_model_answers_in_workers_ais_form(
    stage: Stage, model: str | None, text: str | list[str]
) -> None:
    """A valid request by the published schema gets a valid answer."""
    body = {"text": text} if model is None else {"text": text, "model": model}
    assert conforms(body, INPUT_SCHEMA)

    answer = await stage.ask("POST", RUN, body)

    texts = [text] if isinstance(text, str) else text
    dimensions = MODELS[model or DEFAULT_MODEL].dimensions
    assert answer.status == 200
    assert conforms(answer.json, OUTPUT_SCHEMA)
    assert answer.json.keys() == {"shape", "data"}
    assert answer.json["shape"] == [len(texts), dimensions]
    assert [len(vector) for vector in answer.json["data"]] == [dimensions] * len(texts)
    assert stage.embedder.texts == texts


def test_the_request_is_described_by_the_published_schema() -> None:
    """The request model has Workers AI's own schema for `text`."""
    described = RunRequest.model_json_schema()

    assert described["required"] == INPUT_SCHEMA["required"]
    text = described["properties"]["text"]
    assert {"oneOf": text["oneOf"]} == INPUT_SCHEMA["properties"]["text"]


async def test_nothing_is_stored(stage: Stage) -> None:
    """No text, job or message is stored."""
    before = stage.database.contents()

    await stage.ask("POST", RUN, {"text": ["one", "two"]})

    assert before == stage.database.contents()
    assert [] == stage.queue.waiting


async def test_a_hundred_texts_are_one_call(stage: Stage) -> None:
    """A hundred texts are embedded in one Workers AI call."""
    answer = await stage.ask("POST", RUN, {"text": ["a text"] * MAX_TEXTS})

    assert answer.json["shape"] == [MAX_TEXTS, 768]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/text"]),
        ({"text": None}, ["/text"]),
        ({"text": 5}, ["/text"]),
        ({"text": {"0": "a"}}, ["/text"]),
        ({"text": ""}, ["/text"]),
        ({"text": " \n"}, ["/text"]),
        ({"text": "x" * (MAX_TEXT_CHARACTERS + 1)}, ["/text"]),
        ({"text": []}, ["/text"]),
        ({"text": ["a text"] * (MAX_TEXTS + 1)}, ["/text"]),
        ({"text": ["a", " "]}, ["/text/1"]),
        ({"text": ["a", 5]}, ["/text/1"]),
        ({"text": ["a", ["b"]]}, ["/text/1"]),
        ({"text": ["x" * (MAX_TEXT_CHARACTERS + 1), "a"]}, ["/text/0"]),
        ({"text": "a", "model": "@cf/nobody/nothing"}, ["/model"]),
        ({"text": "a", "model": 5}, ["/model"]),
        ({"text": "a", "pooling": "mean"}, ["/pooling"]),
    ],
)
async def test_broken_rules_are_pointed_at(
    stage: Stage, body: dict[str, object], pointers: list[str]
) -> None:
    """An invalid request names its fields, and the model is not called."""
    answer = await stage.ask("POST", RUN, body)

    assert (answer.status, answer.pointers) == (400, pointers)
    assert stage.embedder.texts == []


async def test_a_busy_model_is_503(stage: Stage) -> None:
    """A busy model is answered by 503."""
    stage.embedder.error = EmbedderBusy("3040: out of capacity")

    answer = await stage.ask("POST", RUN, {"text": "a text"})

    assert (answer.status, answer.code) == (503, "AI_CAPACITY")
