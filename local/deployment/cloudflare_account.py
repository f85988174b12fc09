"""Ask wrangler what a Cloudflare account has. Only this module parses the output of wrangler."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from local.deployment.planning import (
    DatabaseResource,
    DeploymentError,
    ExistingResources,
    IndexResource,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from local.deployment.planning import RequiredResources

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_ERROR: Final = re.compile(r"✘ \[ERROR\] (.*?)(?=\s+If you think this is a bug|\n🪵|\Z)", re.DOTALL)
"""An error of wrangler, without the advice and the path of its log that follow."""

ACCOUNT_VARIABLE: Final = "CLOUDFLARE_ACCOUNT_ID"


@dataclass(frozen=True)
class WranglerOutput:
    """The output and the exit status of one call of wrangler."""

    status: int
    output: str
    error: str


@dataclass(frozen=True)
class Wrangler:
    """The wrangler of a checkout.

    Attributes:
        command: the first words of each command line.
        folder: the folder with `wrangler.toml`.
        environment: the variables of its processes.
    """

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def ask(self, *arguments: str) -> WranglerOutput:
        """Run it and capture its output."""
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return WranglerOutput(done.returncode, done.stdout, _COLOUR.sub("", done.stderr))

    def run(self, *arguments: str, without: Sequence[str] = ()) -> int:
        """Run it in the terminal. Returns the exit status.

        Args:
            arguments: the arguments of wrangler.
            without: variables to leave out of its environment.
        """
        environment = {
            name: value for name, value in self.environment.items() if name not in without
        }
        return subprocess.run(
            [*self.command, *arguments], cwd=self.folder, env=environment, check=False
        ).returncode

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever wrangler prints
        """Run it and parse the JSON that it prints.

        Raises:
            DeploymentError: it failed, or did not print JSON.
        """
        answer = self.ask(*arguments)
        if answer.status != 0:
            raise _failure(arguments, answer)
        try:
            return json.loads(answer.output)
        except ValueError as error:
            raise DeploymentError(
                f"`wrangler {' '.join(arguments)}` printed no JSON, as the pinned wrangler does: "
                f"{answer.output.strip()[:200]}"
            ) from error


@dataclass(frozen=True)
class Account:
    """The account to deploy to."""

    id: str
    name: str


def find_account(wrangler: Wrangler) -> Account:
    """The account that the environment names, or else the only account of the login.

    Raises:
        DeploymentError: nobody is logged in, or the login has several accounts.
    """
    arguments = ("whoami", "--json")
    answer = wrangler.ask(*arguments)
    try:
        told = json.loads(answer.output)
    except ValueError:
        raise _failure(arguments, answer) from None
    if not told["loggedIn"]:
        raise DeploymentError(
            "Nobody is logged in at Cloudflare: run `make login`, or set CLOUDFLARE_API_TOKEN."
        )
    accounts = [Account(each["id"], each["name"]) for each in told["accounts"]]
    chosen = wrangler.environment.get(ACCOUNT_VARIABLE)
    if chosen:
        named = [each for each in accounts if each.id == chosen]
        # A token may use an account whose name it must not read.
        return named[0] if named else Account(chosen, chosen)
    if len(accounts) != 1:
        names = ", ".join(f"{each.id} ({each.name})" for each in accounts) or "none"
        raise DeploymentError(
            f"Say which account is meant, as in `{ACCOUNT_VARIABLE}=... make deploy`; the login "
            f"has: {names}."
        )
    return accounts[0]


def existing_resources(wrangler: Wrangler, need: RequiredResources) -> ExistingResources:
    """The required resources that the account has already. Changes nothing.

    Raises:
        DeploymentError: wrangler failed, or its output is unknown.
    """
    databases = wrangler.json("d1", "list", "--json")
    queues = [queue for queue in need.queues if _has_queue(wrangler, queue)]
    indexes = {
        each["name"]: each["config"] for each in wrangler.json("vectorize", "list", "--json")
    }
    return ExistingResources(
        databases=tuple(DatabaseResource(each["name"], each["uuid"]) for each in databases),
        queues=frozenset(queues),
        indexes={
            name: IndexResource(config["dimensions"], config["metric"], _metadata(wrangler, name))
            for name, config in indexes.items()
            if name in need.indexes
        },
        secrets=_secrets(wrangler, need.worker),
    )


def _metadata(wrangler: Wrangler, index: str) -> dict[str, str]:
    listed = wrangler.json("vectorize", "list-metadata-index", index, "--json")
    return {each["propertyName"]: each["indexType"].lower() for each in listed}


def _has_queue(wrangler: Wrangler, queue: str) -> bool:
    # `queues list` cuts its table to the width of the terminal.
    arguments = ("queues", "info", queue)
    answer = wrangler.ask(*arguments)
    if answer.status == 0:
        return True
    if f'Queue "{queue}" does not exist.' in answer.error:
        return False
    raise _failure(arguments, answer)


def _secrets(wrangler: Wrangler, worker: str) -> frozenset[str]:
    arguments = ("secret", "list", "--env=")
    answer = wrangler.ask(*arguments)
    if answer.status != 0 and f'Worker "{worker}" not found.' in answer.error:
        return frozenset()
    if answer.status != 0:
        raise _failure(arguments, answer)
    return frozenset(each["name"] for each in json.loads(answer.output))


def _failure(arguments: Sequence[str], answer: WranglerOutput) -> DeploymentError:
    found = _ERROR.search(answer.error)
    said = " ".join((found[1] if found else answer.error or answer.output).split())
    return DeploymentError(f"`wrangler {' '.join(arguments)}` failed: {said}")
