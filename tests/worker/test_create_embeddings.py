"""The Python API in the Worker: what code of your own in the same Worker calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from local.demo.organizations import DEMO_ORGANIZATIONS

if TYPE_CHECKING:
    from tests.worker.instruments import Instruments

SUSPECTS: Final = "Police arrested three suspects"
SERVICE: Final = "claim_similarity"


@pytest.fixture(scope="module")
def written(instrumented_worker: Instruments) -> Instruments:
    """Two organizations with the same record id, one claim each."""
    for number, content in (("one", SUSPECTS), ("two", "A ship sank off the coast")):
        organization = instrumented_worker.organization(f"python-{number}")
        organization.write("claims", id="claim", content=content, storyId=f"story-{number}")
    return instrumented_worker


def _ask(written: Instruments, method: str, text: str | list[str], **options: Any) -> Any:
    asked = {
        "organizations": ["org_python-one"],
        "service": SERVICE,
        "method": method,
        "text": text,
    }
    return written.ask("embeddings", {**asked, "options": options})


def test_search_says_what_a_text_is(written: Instruments) -> None:
    """The verdict, and the record with its score, class and metadata."""
    found = _ask(written, "search", SUSPECTS, limit=5, threshold=0.7)

    [best] = found["results"]
    assert ("DUPLICATE", None) == (found["verdict"], found["degraded"])
    assert ("claim", "DUPLICATE", {"storyId": "story-one"}) == (
        best["id"],
        best["classification"],
        best["metadata"],
    )
    assert best["score"] == pytest.approx(1, abs=1e-6)
    assert [0, len(SUSPECTS)] == best["chunk"]


@pytest.mark.parametrize("name", ["story_id", "storyId"])
@pytest.mark.parametrize(("story", "ids"), [("story-one", ["claim"]), ("story-two", [])])
def test_metadata_narrows_a_search(
    written: Instruments, story: str, ids: list[str], name: str
) -> None:
    """Its keywords are the columns of the table, or their names in JSON."""
    found = _ask(written, "search", SUSPECTS, **{name: story})

    assert ids == [result["id"] for result in found["results"]]


def test_an_answer_is_the_sequence_of_its_results(written: Instruments) -> None:
    """`for match in await service.search(...)` goes through them."""
    assert ["claim"] == _ask(written, "search", SUSPECTS)["iterated"]


def test_the_gray_zone_comes_apart(written: Instruments) -> None:
    """Certain matches and those that a person should look at."""
    text = "Three people were arrested by the police"
    [match] = _ask(written, "search", text, threshold=0)["results"]

    certain = _ask(written, "find_with_gray_zone", text, min=0.1, max=match["score"] - 0.01)
    unsure = _ask(written, "find_with_gray_zone", text, min=0.1, max=match["score"] + 0.01)

    assert ([match], []) == (certain["high_confidence"], certain["gray_zone"])
    assert ([], [match]) == (unsure["high_confidence"], unsure["gray_zone"])


def test_embed_answers_the_numbers(written: Instruments) -> None:
    """They are what the model gives, to float32."""
    expected = written.rpc(
        "AI", "run", "@cf/baai/bge-base-en-v1.5", {"text": SUSPECTS, "pooling": "cls"}
    )

    assert _ask(written, "embed", SUSPECTS) == pytest.approx(expected["data"][0], abs=1e-7)


def test_embed_takes_several_texts(written: Instruments) -> None:
    """A list of texts is a list of vectors, in order."""
    texts = [SUSPECTS, "A ship sank off the coast"]

    vectors = _ask(written, "embed", texts)

    assert [_ask(written, "embed", text) for text in texts] == vectors


@pytest.mark.parametrize("text", [SUSPECTS, [SUSPECTS, "A ship sank off the coast"]], ids=type)
def test_workers_ais_own_form_answers_what_workers_ai_answers(
    written: Instruments, text: str | list[str]
) -> None:
    """The same shape and the same numbers, over HTTP and without Python between."""
    model = "@cf/baai/bge-base-en-v1.5"
    expected = written.rpc("AI", "run", model, {"text": text, "pooling": "cls"})

    answer = written.organization("python-one").post("/embeddings/run", {"text": text})

    assert (200, expected["shape"]) == (answer.status_code, answer.json()["shape"])
    for vector, numbers in zip(answer.json()["data"], expected["data"], strict=True):
        assert vector == pytest.approx(numbers, abs=1e-7)


def test_an_organization_is_needed(written: Instruments) -> None:
    """Without one there is a sentence that says why."""
    answer = written.ask("embeddings", {})

    assert "ValueError" == answer["error"]
    assert "needs an organization: records belong to one" in answer["message"]


def test_it_is_bound_to_one_organization(written: Instruments) -> None:
    """The other organization's text is not near, though it has the same id."""
    assert "NEW" == _ask(written, "search", "A ship sank off the coast")["verdict"]
    asked = {"service": SERVICE, "method": "search", "text": "A ship sank off the coast"}
    other = written.ask("embeddings", {**asked, "organizations": ["org_python-two"], "options": {}})
    assert "DUPLICATE" == other["verdict"]


@pytest.mark.parametrize("demo", DEMO_ORGANIZATIONS, ids=lambda each: each.slug)
def test_an_organization_without_records_finds_nothing(written: Instruments, demo: Any) -> None:
    """What was written is somebody's own."""
    asked = {"service": SERVICE, "method": "search", "text": SUSPECTS, "options": {}}

    found = written.ask("embeddings", {**asked, "organizations": [demo.id]})

    assert ("NEW", []) == (found["verdict"], found["results"])


def test_a_blank_text_is_refused(written: Instruments) -> None:
    """With the same error as over HTTP."""
    assert "InvalidInput" == _ask(written, "search", " ")["error"]
