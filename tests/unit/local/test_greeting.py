"""What `make dev` prints can be pasted into a shell."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from local.greeting import curl, greeting
from local.local_worker import LocalConfig, LocalWorker
from local.seed import DEMO_ORGANIZATIONS

if TYPE_CHECKING:
    from pathlib import Path


def test_a_command_carries_address_session_and_body() -> None:
    """A shell splits it into the words that curl needs."""
    words = shlex.split(curl("http://localhost:1/x", DEMO_ORGANIZATIONS[0], {"content": "a b"}))

    assert words[0] == "curl"
    assert "http://localhost:1/x" in words
    assert "authorization: Bearer demo-session-acme" in words
    assert json.loads(words[-1]) == {"content": "a b"}


def test_the_greeting_names_address_sessions_and_how_to_stop(tmp_path: Path) -> None:
    """Everything that a person needs next is in one screen."""
    text = greeting(LocalWorker(LocalConfig(state=tmp_path, port=4711)))

    assert "http://localhost:4711" in text
    assert all(each.session_token in text for each in DEMO_ORGANIZATIONS)
    assert "Ctrl-C" in text
    assert len(text.splitlines()) < 30
