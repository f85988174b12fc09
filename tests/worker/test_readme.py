"""The README's sessions, typed by a test: each command answers what is printed below it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

from local.demo import add_demo_claims
from local.layout import ROOT
from tests.worker.organization import PATIENCE_SECONDS

if TYPE_CHECKING:
    from local.local_worker import LocalWorker

SESSIONS: Final = re.findall(
    r"```console\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL
)


def _steps() -> list[tuple[str, Any]]:
    """Every command with the JSON that is printed below it."""
    steps = []
    for session in SESSIONS:
        for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
            command, answer = step.split("\n", 1)
            # A number that ends in … stands for all that begin so.
            printed = re.sub(r"(-?[\d.]+)…", r'"\1…"', answer)
            steps.append((command, json.loads(printed)))
    return steps


def test_the_sessions_of_the_readme(worker: LocalWorker) -> None:
    """Every command answers what the README shows, within the seconds that the queue takes."""
    steps = _steps()
    assert len(steps) >= 3
    # What `make dev` has written before a newcomer types the first command.
    add_demo_claims(worker.url)
    for command, expected in steps:
        _wait_for(command.replace("localhost:8787", worker.url.removeprefix("http://")), expected)


def _wait_for(command: str, expected: object) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        done = subprocess.run(
            ["bash", "-c", f"NO_PROXY='*' {command}"],  # noqa: S607 - a newcomer's own shell
            capture_output=True,
            text=True,
            check=True,
        )
        answer = json.loads(done.stdout)
        # Only a search may have to be asked again: its record was written a moment ago.
        if _matches(answer, expected) or time.monotonic() > deadline or "/search" not in command:
            break
    assert _matches(answer, expected), f"{command}\nanswered {done.stdout}\nnot {expected}"


def _matches(answer: Any, expected: Any) -> bool:
    if isinstance(expected, str) and expected.endswith("…"):
        return str(answer).startswith(expected.removesuffix("…"))
    if isinstance(expected, dict):
        return (
            isinstance(answer, dict)
            and answer.keys() == expected.keys()
            and all(_matches(answer[key], value) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return len(answer) == len(expected) and all(map(_matches, answer, expected))
    return bool(answer == expected)
