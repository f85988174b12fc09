"""Tests of `local.running.workerd_processes`."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local.running.workerd_processes import workerd_processes

if TYPE_CHECKING:
    from pathlib import Path

SLEEP = "import sys; print(flush=True); sys.stdin.read()"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_runtime_is_found_by_its_state_folder(tmp_path: Path) -> None:
    """Command line and environment must both match."""
    with subprocess.Popen(
        [sys.executable, "-c", SLEEP, "workerd", "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "WRANGLER_LOG_PATH": str(tmp_path / "state" / "logs")},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert [found.name for found in workerd_processes(tmp_path / "state")] == [str(process.pid)]
        assert workerd_processes(tmp_path / "another") == []
        process.communicate()
