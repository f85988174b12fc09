"""Tests of `local.running.local_worker`: a failed start is one sentence and leaves nothing."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from local.development.local_cognate import LocalCognate
from local.failures import StartError
from local.running.local_worker import LocalConfig
from local.running.loopback import HOST, free_port
from local.setup.layout import ROOT, Layout, MissingToolError
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from pathlib import Path


def test_a_taken_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    """The sentence names the port and how to choose another."""
    port = free_port()
    with socket.create_server((HOST, port)), pytest.raises(StartError) as failure:
        LocalCognate(LocalConfig(state=tmp_path, port=port)).__enter__()

    assert str(failure.value).startswith(f"Port {port} is taken by another program")
    assert f"make dev PORT={port + 1}" in str(failure.value)


def test_one_state_is_used_by_one_at_a_time(tmp_path: Path) -> None:
    """A failed start releases the lock of the state folder."""
    port = free_port()
    with socket.create_server((HOST, port)):
        config = LocalConfig(state=tmp_path, port=port)
        for _ in range(2):
            with pytest.raises(StartError, match="taken"):
                LocalCognate(config).__enter__()


def test_the_database_is_named_when_it_is_missing(tmp_path: Path) -> None:
    """The sentence says how to make a new state folder."""
    with pytest.raises(StartError, match="make clean"):
        _ = LocalCognate(LocalConfig(state=tmp_path)).database


def test_a_missing_installation_says_how_to_get_it(tmp_path: Path) -> None:
    """A person who starts the launcher without `make` reads of the set-up."""
    with pytest.raises(MissingToolError, match="make setup"):
        Layout(root=tmp_path).wrangler("dev")


def test_an_applied_migration_that_was_changed_is_named(tmp_path: Path) -> None:
    """Otherwise the local database would silently stay as it was."""
    migration = min(path.name for path in (Layout().root / "migrations").glob("*.sql"))
    (tmp_path / "migrations.json").write_text(json.dumps({migration: "another hash"}), "utf-8")

    with pytest.raises(StartError) as failure:
        LocalCognate(LocalConfig(state=tmp_path)).__enter__()

    assert f"migrations/{migration} was changed after it had been applied" in str(failure.value)


def test_a_mistake_in_the_schema_is_named_before_anything_starts(tmp_path: Path) -> None:
    """The sentence has the place of the mistake."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    layout = checkout_with(checkout, ROOT / "src" / "entry.py", [])
    (checkout / "src" / "schema.py").write_text("app = Cognate(tables=[])\n", "utf-8")

    with pytest.raises(StartError) as failure:
        LocalCognate(LocalConfig(state=tmp_path / "state"), layout).__enter__()

    sentence = "src/schema.py, line 1: NameError: name 'Cognate' is not defined."
    assert sentence == str(failure.value)
