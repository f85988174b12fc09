"""How much memory a batch takes in the real runtime: the largest, against a small one.

An isolate has 128 MB. The local runtime does not enforce that, so the test does in three ways: V8
gets a small heap for JavaScript, in which the bindings make their JSON; Python's own memory is
asked for; and the peak of the whole runtime is compared.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from cognate.embedding.request import EmbeddingRequest, EmbeddingRequests
from cognate.jobs.conditions import JobCondition
from cognate.jobs.messages import reference
from cognate.ports import Statement
from cognate.schema.collections import POSTED_TEXTS
from cognate.text_limits import MAX_TEXT_CHARACTERS
from local.adapters.sqlite_database import SqliteDatabase
from local.development.local_cognate import LocalCognate
from local.running.local_worker import LocalConfig
from local.running.workerd_processes import workerd_processes
from local.setup.layout import ROOT
from tests.worker.instruments import Instruments
from tests.worker.waiting import wait_for
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.setup.layout import Layout
    from tests.worker.conftest import Report

LARGE: Final = POSTED_TEXTS["@cf/baai/bge-large-en-v1.5"]
"""Vectors of 1,024 numbers, the most that a model here has."""
BATCH: Final = 100
"""Messages in a batch, the most that Queues delivers."""
SENTENCE: Final = "One of the many sentences of a long text. "
LONGEST: Final = SENTENCE * (MAX_TEXT_CHARACTERS // len(SENTENCE))

MEGABYTE: Final = 1_000_000
JAVASCRIPT_MEGABYTES: Final = 24
"""Heap that V8 may use in each isolate; what needs more ends the process. Python has its own."""
PYTHON_BOUND: Final = 70 * MEGABYTE
"""Python's memory: 45 MB after a small batch, and 54 after the largest. With V8's heap it leaves 34
of the 128 MB."""
DIFFERENCE_BOUND: Final = 60 * MEGABYTE
"""Between the peaks of the runtime. The isolates of the local D1 and of the queue are in it too,
which production has elsewhere. Measured: 30 MB. A batch without waves ends the process."""


@dataclass
class Runtime:
    """The instrumented Worker, over an encoder that costs little, and its process."""

    instruments: Instruments
    process: Path

    def run_batch(self, slug: str, text: str) -> Usage:
        """Have a hundred such texts embedded in one batch."""
        organization = self.instruments.organization(slug).demo.id
        jobs = asyncio.run(self._queue(organization, text))
        since = len(self.instruments.events("queue.handled"))
        forget_peak(self.process)
        self.instruments.send(*(reference(organization, LARGE.scope, job_id) for job_id in jobs))
        [batch] = wait_for(
            lambda: self.instruments.events("queue.handled")[since:], f"{slug} batch", seconds=300
        )
        peak = status_bytes(self.process, "VmHWM")
        [row] = self.instruments.sql(
            "SELECT COUNT(*) AS done FROM cognate_jobs WHERE organization_id = ?1 "
            "AND status = 'done'",
            organization,
        )
        assert (BATCH, BATCH) == (batch["messages"], row["done"])
        return Usage(peak, self.instruments.ask("heap", {}))

    async def _queue(self, organization_id: str, text: str) -> list[str]:
        """Write texts and their jobs, as the API does; the ids of the jobs."""
        now = datetime.now(UTC)
        names = [f"text-{number}" for number in range(BATCH)]
        insert = "INSERT INTO cognate_texts (organization_id, id, content, created_at) "
        with closing(SqliteDatabase(self.instruments.worker.database)) as database:
            for name in names:
                content = f"{name}: {text}"[:MAX_TEXT_CHARACTERS]
                statement = Statement(
                    f"{insert} VALUES (?1, ?2, ?3, '')", (organization_id, name, content)
                )
                await database.batch([statement])
            asked = EmbeddingRequests(organization_id, now)
            asked.add(
                LARGE,
                [EmbeddingRequest(name) for name in names],
                source="test",
                condition=JobCondition(),
            )
            return [row["id"] for row in asked.announced(await database.batch(asked.statements))]


@dataclass(frozen=True)
class Usage:
    """What one batch used.

    Attributes:
        peak: bytes of the runtime's process that were in memory at once.
        python: bytes that Python has taken of its isolate so far.
    """

    peak: int
    python: int


def forget_peak(process: Path) -> None:
    """Let the peak of a process be what is in memory now."""
    (process / "clear_refs").write_text("5", "ascii")


def status_bytes(process: Path, name: str) -> int:
    """A number of bytes in the status of a process."""
    lines = (process / "status").read_text("ascii").splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(line.split()[1])


@pytest.fixture(scope="module")
def runtime(
    tmp_path_factory: pytest.TempPathFactory, new_state: Callable[[Layout], Path]
) -> Iterator[Runtime]:
    """A Worker of its own, which nobody used before."""
    here = ROOT / "tests" / "worker"
    layout = checkout_with(
        tmp_path_factory.mktemp("checkout"), here / "instrumented.py", [here / "recording.py"]
    )
    config = LocalConfig(state=new_state(layout))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LOCAL_AI", "words")
        environment.setenv("MINIFLARE_WORKERD_V8_FLAGS", f"--max-heap-size={JAVASCRIPT_MEGABYTES}")
        with (
            LocalCognate(config, layout) as running,
            httpx.Client(base_url=running.url, timeout=30, trust_env=False) as http,
            httpx.Client(base_url=running.platform_url, timeout=30, trust_env=False) as platform,
        ):
            # wrangler has a second one, which only hands requests on.
            process = max(
                workerd_processes(config.state), key=lambda found: status_bytes(found, "VmRSS")
            )
            yield Runtime(Instruments(running, http, platform), process)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the peak of a process")
def test_the_largest_batch_needs_little_more_than_a_small_one(
    runtime: Runtime, report: Report
) -> None:
    """A hundred texts of 100,000 characters, 1,024 numbers to a chunk, against short texts."""
    runtime.run_batch("first", "A short text.")
    small = runtime.run_batch("small", "A short text.")
    largest = runtime.run_batch("largest", LONGEST)

    difference = largest.peak - small.peak
    report(
        "Memory of the largest batch",
        [
            f"peak of the runtime: {difference / MEGABYTE:.0f} MB more than for short texts",
            f"Python: {largest.python / MEGABYTE:.0f} MB, {small.python / MEGABYTE:.0f} before",
        ],
    )
    assert difference < DIFFERENCE_BOUND
    assert largest.python < PYTHON_BOUND
