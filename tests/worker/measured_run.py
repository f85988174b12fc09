"""Run the Worker that measures its statements, for the tests of what they read and write."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx

from local.development.local_cognate import LocalCognate
from local.setup.layout import ROOT
from tests.worker.instruments import Instruments
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.running.local_worker import LocalConfig
    from local.setup.layout import Layout


def measured_checkout(folder: Path) -> Layout:
    """Make a copy of the checkout whose entry is `measured.py`."""
    here = ROOT / "tests" / "worker"
    instruments = [here / name for name in ("instrumented.py", "measuring.py", "recording.py")]
    return checkout_with(folder, here / "measured.py", instruments)


@contextmanager
def measured_worker(config: LocalConfig, layout: Layout) -> Iterator[Instruments]:
    """Run a measured checkout, and end it afterwards."""
    with ExitStack() as stack:
        worker = stack.enter_context(LocalCognate(config, layout))
        http, platform = [
            stack.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False))
            for url in (worker.url, worker.platform_url)
        ]
        yield Instruments(worker, http, platform)
