"""Tests of `local.running.local_d1`. `tests/worker/test_auth_database.py` asks Miniflare itself."""

from __future__ import annotations

from pathlib import Path

from local.running.local_d1 import d1_file

STATE = Path("/state")
ENVIRONMENT = {
    "d1_databases": [
        {"binding": "DB", "database_name": "cognate"},
        {"binding": "AUTH_DB", "database_name": "application", "database_id": "an-id"},
    ]
}


def test_the_file_is_named_by_the_bindings_hash() -> None:
    """The expected name is one that Miniflare made."""
    assert d1_file(STATE, ENVIRONMENT, "DB") == STATE.joinpath(
        "v3",
        "d1",
        "miniflare-D1DatabaseObject",
        "e7352547963de7050bd7d94658afc4fe78b61811b7815da12d90be8e863abf4d.sqlite",
    )


def test_an_id_comes_before_the_binding() -> None:
    """Two bindings with one id are one database."""
    other = {"d1_databases": [{"binding": "X", "database_id": "an-id"}]}

    assert d1_file(STATE, ENVIRONMENT, "AUTH_DB") == d1_file(STATE, other, "X") is not None


def test_what_is_not_bound_has_no_file() -> None:
    """The caller decides what that means."""
    assert d1_file(STATE, {}, "DB") is None
    assert d1_file(STATE, ENVIRONMENT, "AUTHDB") is None
