"""Fill `python_modules/` with the Worker's dependencies, built for Pyodide, by plain pip.

`pywrangler sync` does the same with an interpreter and a package index of its own; where only PyPI
can be reached, PyPI's own wheels for Pyodide do. Both take the versions that pyproject.toml pins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PLATFORM: Final = "pyemscripten_2026_0_wasm32"
"""The platform tag of wheels for the Pyodide of the runtime that package-lock.json pins."""

PYTHON_VERSION: Final = "3.14"


def vendor_command(python: Path, requirements: Path, target: Path) -> list[str]:
    """The command line that installs `requirements` (with hashes) for the Worker into `target`."""
    return [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        f"--platform={PLATFORM}",
        f"--python-version={PYTHON_VERSION}",
        "--implementation=cp",
        f"--abi=cp{PYTHON_VERSION.replace('.', '')}",
        "--abi=abi3",
        "--abi=none",
        f"--target={target}",
        f"--requirement={requirements}",
    ]
