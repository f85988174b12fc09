"""The checkout in which the suites are the Worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.setup.layout import ROOT
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from pathlib import Path

    from local.setup.layout import Layout


def contract_checkout(folder: Path) -> Layout:
    """Make a checkout in an empty folder whose Worker runs the suites."""
    here = ROOT / "tests" / "contract"
    modules = [
        module
        for module in here.glob("*.py")
        # Only what runs without pytest and without the local platform.
        if module.stem.endswith("_suite") or module.stem in {"cases", "polling", "raising"}
    ]
    return checkout_with(folder, here / "worker.py", modules)
