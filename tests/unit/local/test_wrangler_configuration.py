"""`wrangler.toml` agrees with the code, and its two environments with each other."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from cognate.consumer import DEAD_LETTER_SUFFIX
from cognate.models import MODELS
from cognate.settings import SECRET
from local.setup.layout import Layout
from schema import app

ROOT = Layout().root
DEVELOPMENT_FLAG = "python_workers_development"
CONSUMER_SETTINGS = {
    "queue",
    "max_batch_size",
    "max_batch_timeout",
    "max_retries",
    "retry_delay",
    "max_concurrency",
}

REQUESTS_A_MINUTE = {
    "@cf/baai/bge-small-en-v1.5": 3000,
    "@cf/baai/bge-base-en-v1.5": 3000,
    "@cf/baai/bge-large-en-v1.5": 1500,
    "@cf/baai/bge-m3": 3000,
}
"""Cloudflare's page of limits of Workers AI: text embeddings."""
SECONDS_A_REQUEST = 0.4
"""For 100 texts. Not published; `wrangler.toml` says what to do where it is less."""


def _configuration(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


PRODUCTION = _configuration("wrangler.toml")
LOCAL = PRODUCTION["env"]["local"]


def _bindings(environment: dict[str, Any]) -> set[str]:
    entries = [
        *([environment["ai"]] if "ai" in environment else []),
        *environment.get("vectorize", []),
        *environment["d1_databases"],
        *environment["queues"]["producers"],
    ]
    local = environment.get("unsafe", {}).get("bindings", [])
    return {entry["binding"] for entry in entries} | {entry["name"] for entry in local}


def test_both_environments_bind_the_same_names() -> None:
    """So the code works the same on a laptop and in production."""
    assert _bindings(PRODUCTION) == _bindings(LOCAL)


def test_production_binds_the_indexes_that_the_schema_needs() -> None:
    """Binding and index name come from the schema, and each dimension has an index."""
    bound = {entry["binding"]: entry["index_name"] for entry in PRODUCTION["vectorize"]}

    assert bound == {index.binding: index.name for index in app.vector_indexes()}


def test_a_laptop_has_cloudflares_own_bindings() -> None:
    """Each uses the runtime's module of production, through one plugin."""
    plugin = {"package": "bindings.mjs", "name": "local-platform"}
    apis = {entry["name"]: entry["dev"]["options"]["api"] for entry in LOCAL["unsafe"]["bindings"]}

    assert [entry["dev"]["plugin"] for entry in LOCAL["unsafe"]["bindings"]] == [plugin] * len(apis)
    assert apis.pop("AI") == "ai-api"
    assert apis == dict.fromkeys(
        (entry["binding"] for entry in PRODUCTION["vectorize"]), "vectorize-api"
    )


def test_the_plugin_has_no_behaviour() -> None:
    """Behaviour belongs in Python, where it is typed and tested."""
    lines = (ROOT / "local" / "bindings" / "bindings.mjs").read_text(encoding="utf-8").splitlines()

    assert len(lines) < 60


@pytest.mark.parametrize("environment", [PRODUCTION, LOCAL], ids=["production", "local"])
def test_every_queue_setting_is_written_down(environment: dict[str, Any]) -> None:
    """The defaults of production and Miniflare differ."""
    consumers = {entry["queue"]: set(entry) for entry in environment["queues"]["consumers"]}

    assert consumers == {
        "cognate-embeddings": CONSUMER_SETTINGS | {"dead_letter_queue"},
        "cognate-embeddings-dlq": CONSUMER_SETTINGS,
    }


def test_consumers_leave_half_of_the_slowest_model_to_searches() -> None:
    """The consumers' requests a minute, at 0.4 seconds each, stay below half its limit."""
    for environment in (PRODUCTION, LOCAL):
        [concurrency] = [
            entry["max_concurrency"]
            for entry in environment["queues"]["consumers"]
            if "dead_letter_queue" in entry
        ]
        assert concurrency * 60 / SECONDS_A_REQUEST <= min(REQUESTS_A_MINUTE.values()) / 2


def test_every_model_has_its_limit_here() -> None:
    """A new model may be slower than all others."""
    assert REQUESTS_A_MINUTE.keys() == MODELS.keys()


def test_dead_letters_have_a_consumer() -> None:
    """Without one, the jobs of dead letters would be lost."""
    for environment in (PRODUCTION, LOCAL):
        first, second = environment["queues"]["consumers"]
        assert first["dead_letter_queue"] == second["queue"]
        # By these names the consumer tells them apart: a dead letter is recorded, not run again.
        assert second["queue"].endswith(DEAD_LETTER_SUFFIX)
        assert not first["queue"].endswith(DEAD_LETTER_SUFFIX)


def test_development_flags_stay_on_the_laptop() -> None:
    """Production runs the released Python without experimental flags."""
    assert PRODUCTION["compatibility_flags"] == ["python_workers"]
    assert DEVELOPMENT_FLAG in LOCAL["compatibility_flags"]


def test_the_secret_is_a_secret_in_production_only() -> None:
    """Production does not inherit the demonstration value."""
    assert SECRET not in PRODUCTION["vars"]
    assert PRODUCTION["secrets"]["required"] == [SECRET]
    assert SECRET in LOCAL["vars"]


def test_the_worker_is_reached_below_the_owners_domain_only() -> None:
    """Browsers send the application's cookies there, and never to workers.dev."""
    assert PRODUCTION["workers_dev"] is False
    assert PRODUCTION["routes"] == [{"pattern": "cognate.example.com", "custom_domain": True}]
    assert LOCAL["routes"] == []


def test_what_a_query_string_says_stays_out_of_logs_and_traces() -> None:
    """The filters of a list have values of records."""
    assert PRODUCTION["observability"]["redact_query_string"] is True
    assert PRODUCTION["observability"]["traces"]["enabled"] is True


def test_an_invocation_is_bounded_and_runs_near_the_database() -> None:
    """The largest batch needs twice the default, and 300,000 is the maximum."""
    assert 30_000 < PRODUCTION["limits"]["cpu_ms"] <= 300_000
    assert PRODUCTION["placement"] == {"mode": "smart"}


NAMES = {"name", "main", "binding", "queue", "index_name", "database_name"}
"""Settings that name something: each reader knows why they are there."""


def test_every_value_of_production_has_its_reason_above_it() -> None:
    """The comment is on the line before, or above the table of a single setting."""
    text = (ROOT / "wrangler.toml").read_text(encoding="utf-8").split("[env.local]")[0]
    lines = text.splitlines()
    bare = []
    for number, line in enumerate(lines):
        setting = re.match(r"(\w+) = ", line)
        if setting is None or setting[1] in NAMES:
            continue
        above = lines[number - 1]
        if above.startswith("["):
            above = lines[number - 2]
        if not above.startswith("#"):
            bare.append(line)

    assert bare == []
