"""Failing asserts of the suites say what was compared, as those of test modules do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.contract.clock_suite",
    "tests.contract.database_suite",
    "tests.contract.embedder_suite",
    "tests.contract.queue_suite",
    "tests.contract.vector_index_suite",
)
