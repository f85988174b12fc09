"""Failing asserts of the suites say what was compared, as those of test modules do."""

from __future__ import annotations

import pytest

from tests.workshop import new_state

__all__ = ["new_state"]

pytest.register_assert_rewrite(
    "tests.contract.clock_suite",
    "tests.contract.database_suite",
    "tests.contract.embedder_suite",
    "tests.contract.queue_suite",
    "tests.contract.vector_index_suite",
)
