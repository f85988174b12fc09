"""The examples of `docs/messages.md`, run as they stand there: a second Worker, and Python."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from local.development.local_cognate import LocalCognate
from local.running.local_worker import LocalConfig
from local.setup.layout import ROOT
from tests.worker.instruments import Instruments
from tests.worker.waiting import wait_for
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.setup.layout import Layout
    from tests.worker.organization import Organization

PAGE: Final = (ROOT / "docs" / "messages.md").read_text("utf-8")
OTHER_WORKER: Final = """
name = "other"
main = "other.js"
compatibility_date = "2026-11-17"

[env.local]
name = "other"

"""
BOUND_TO_IT: Final = """
[[env.local.services]]
binding = "OTHER_WORKER"
service = "other"
"""


def example(language: str) -> str:
    """The page's only block in a language."""
    [block] = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(block)


def write_other_worker(folder: Path) -> Path:
    """A second Worker made of the page's blocks; the path of its configuration."""
    folder.mkdir()
    producer = example("toml").replace("[[queues", "[[env.local.queues")
    configuration = folder / "wrangler.toml"
    configuration.write_text(OTHER_WORKER + producer, "utf-8")
    (folder / "other.js").write_text(example("js"), "utf-8")
    return configuration


@pytest.fixture(scope="module")
def instruments(
    tmp_path_factory: pytest.TempPathFactory, new_state: Callable[[Layout], Path]
) -> Iterator[Instruments]:
    """The instrumented Worker with the examples: one beside it, one among its modules."""
    here = ROOT / "tests" / "worker"
    layout = checkout_with(
        tmp_path_factory.mktemp("checkout"),
        here / "instrumented.py",
        [here / "recording.py"],
    )
    (layout.root / "src" / "messages_page.py").write_text(example("python"), "utf-8")
    with (layout.root / "wrangler.toml").open("a", encoding="utf-8") as configuration:
        configuration.write(BOUND_TO_IT)
    config = LocalConfig(
        state=new_state(layout),
        neighbours=[write_other_worker(layout.root / "other")],
    )
    with (
        LocalCognate(config, layout) as running,
        httpx.Client(base_url=running.url, timeout=30, trust_env=False) as worker,
        httpx.Client(base_url=running.platform_url, timeout=30, trust_env=False) as platform,
    ):
        yield Instruments(running, worker, platform)


def _matches(organization: Organization, path: str, text: str) -> list[dict[str, Any]]:
    """The matches of a text that are surely it."""
    answer = organization.post(path, {"query": text}).json()
    found: list[dict[str, Any]] = answer.get("matches", answer.get("results"))
    return [match for match in found if match["score"] > 0.99]


def test_the_javascript_example_embeds_a_text_for_a_record(instruments: Instruments) -> None:
    """A Worker of its own, with nothing but the queue's binding, in the same runtime."""
    organization = instruments.organization("page-js")
    organization.write("claims", id="c1", content="What the record says")
    text = "What the other Worker says about it"

    answer = instruments.ask(
        "other-worker",
        {"organizationId": organization.demo.id, "claims": [{"id": "c1", "text": text}]},
    )

    assert answer == 202
    [match] = wait_for(
        lambda: _matches(organization, "/similarity/claimSimilarity/search", text), "the text"
    )
    assert "c1" == match["id"]


def test_the_python_example_embeds_a_text_of_its_own(instruments: Instruments) -> None:
    """By the binding as the SDK wraps it."""
    organization = instruments.organization("page-python")
    text = "An albatross over the harbour"

    instruments.ask("messages-page", {"organizationId": organization.demo.id, "text": text})

    [match] = wait_for(lambda: _matches(organization, "/vectors/query", text), "the text")
    [job] = organization.get("/embeddings/jobs").json()["data"]
    assert job["jobId"] == match["id"]
