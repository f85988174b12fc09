"""Tests of `local.setup.bootstrap`: it starts with any Python of the system."""

from __future__ import annotations

import subprocess
import sys

from local.setup.layout import ROOT


def test_an_old_python_is_one_sentence() -> None:
    """It says which version is needed and how to name it, without a traceback."""
    program = (
        "import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); "
        "runpy.run_module('local.setup.bootstrap', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Cognate needs Python 3.11 or newer, and this is Python 3.9: install one and name it, "
        "as in `make dev PYTHON=python3.12`.\n"
    )
