"""The README's sessions, typed by a test: each command answers what is printed below it."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import time
from typing import TYPE_CHECKING, Any, Final

from local.demo.sample_claims import add_demo_claims
from local.setup.layout import ROOT
from tests.worker.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    import httpx

    from local.development.local_cognate import LocalCognate

README_HOST: Final = "localhost:8787"
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


def test_the_sessions_of_the_readme(worker: LocalCognate, http: httpx.Client) -> None:
    """Every command answers what the README shows, within the seconds that the queue takes."""
    steps = _steps()
    assert len(steps) >= 3
    # What `make dev` has written before a newcomer types the first command.
    add_demo_claims(worker.url)
    for command, expected in steps:
        _wait_for(http, _request(http, command), expected)


def _request(http: httpx.Client, command: str) -> httpx.Request:
    """What curl would send: a machine without curl can run the tests too."""
    options = argparse.ArgumentParser(exit_on_error=False)
    options.add_argument("url", type=lambda text: text.removeprefix(f"{README_HOST}/"))
    options.add_argument("-s", action="store_true")
    options.add_argument("-H", dest="headers", action="append", default=[])
    options.add_argument("--json")
    program, *arguments = shlex.split(command)
    assert program == "curl"
    given = options.parse_args(arguments)
    headers = dict(header.split(": ", 1) for header in given.headers)
    if given.json is None:
        return http.build_request("GET", f"/{given.url}", headers=headers)
    headers["content-type"] = "application/json"
    return http.build_request("POST", f"/{given.url}", headers=headers, content=given.json)


def _wait_for(http: httpx.Client, request: httpx.Request, expected: object) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = http.send(request).json()
        # Only a search may have to be asked again: its record was written a moment ago.
        may_wait = "/similarity/" in request.url.path and time.monotonic() < deadline
        if _matches(answer, expected) or not may_wait:
            break
    assert _matches(answer, expected), f"{request.url}\nanswered {answer}\nnot {expected}"


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
