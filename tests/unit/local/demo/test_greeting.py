"""Tests of `local.demo.greeting`: its commands can be pasted into a shell."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from cognate.auth.sessions import credential_from
from local.demo.greeting import curl, greeting
from local.demo.organizations import DEMO_ORGANIZATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def test_a_command_carries_address_session_and_body() -> None:
    """A shell splits it into the words that curl needs."""
    words = shlex.split(curl("http://localhost:1/x", DEMO_ORGANIZATIONS[0], {"content": "a b"}))

    assert words[0] == "curl"
    assert "http://localhost:1/x" in words
    assert "authorization: Bearer demo-session-acme" in words
    assert json.loads(words[-1]) == {"content": "a b"}


def shown(tmp_path: Path, services: Sequence[str] = ("claimSimilarity",)) -> str:
    """The greeting of a Worker of the demonstration."""
    return greeting(port=4711, state=tmp_path, secret="a secret", services=services)


def test_the_greeting_names_address_sessions_and_how_to_stop(tmp_path: Path) -> None:
    """All of it fits on one screen."""
    text = shown(tmp_path)

    assert "http://localhost:4711" in text
    assert all(each.session_token in text for each in DEMO_ORGANIZATIONS)
    assert "Ctrl-C" in text
    assert len(text.splitlines()) < 30


def test_the_cookie_is_the_one_that_better_auth_would_set(tmp_path: Path) -> None:
    """The Worker reads the token of the session from it, with the local secret."""
    cookies = re.findall(r"-H 'cookie: ([^']+)'", shown(tmp_path))

    assert [each.session_token for each in DEMO_ORGANIZATIONS] == [
        credential_from({"cookie": cookie}, "a secret").token for cookie in cookies
    ]


@pytest.mark.parametrize(
    ("services", "path"),
    [
        (["noteSimilarity", "claimSimilarity"], "/api/v1/similarity/claimSimilarity/search"),
        (["noteSimilarity"], "/api/v1/similarity/noteSimilarity/search"),
        ([], "/api/v1/embeddings/tables"),
    ],
)
def test_the_commands_ask_what_the_schema_has(
    tmp_path: Path, services: list[str], path: str
) -> None:
    """A user's schema may have other similarity services, or none."""
    assert f"http://localhost:4711{path} " in shown(tmp_path, services)
