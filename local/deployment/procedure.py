"""Deploy a Worker: show the plan, ask, and run it with wrangler.

A run that failed is started again. It finds what exists and leaves it alone.
"""

from __future__ import annotations

import getpass
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from local.deployment.cloudflare_account import (
    ACCOUNT_VARIABLE,
    Wrangler,
    existing_resources,
    find_account,
)
from local.deployment.planning import (
    SECRETS_FILE,
    DeploymentError,
    exists,
    missing_secrets,
    plan_deployment,
    refuse_unfinished,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from local.deployment.cloudflare_account import Account
    from local.deployment.planning import Command, ExistingResources, RequiredResources


def run_deployment(
    wrangler: Wrangler, need: RequiredResources, place: str | None, *, agreed: bool
) -> None:
    """Create what is missing in the account, migrate the database, and upload the Worker.

    Args:
        wrangler: runs in the folder of the `wrangler.toml`.
        need: the required resources.
        place: wrangler's option for the place of a new database, such as `--location=weur`.
        agreed: do not ask.

    Raises:
        DeploymentError: nobody agreed, something is missing, or a command failed.
    """
    refuse_unfinished(need)
    account = find_account(wrangler)
    # wrangler remembers the account of an earlier login. Each call must be for this one.
    environment = {**wrangler.environment, ACCOUNT_VARIABLE: account.id}
    wrangler = Wrangler(wrangler.command, wrangler.folder, environment)
    found = existing_resources(wrangler, need)
    commands = plan_deployment(need, found, place)
    _say(_outline(account, need, found, commands))
    if not (agreed or _is_yes("Run these commands? [y/N] ")):
        raise DeploymentError("Nothing was changed.")
    values = _secret_values(missing_secrets(need, found), wrangler.environment)
    with _secrets_file(wrangler.folder / SECRETS_FILE, values):
        _run(wrangler, commands, agreed=agreed)


def _outline(
    account: Account,
    need: RequiredResources,
    found: ExistingResources,
    commands: Sequence[Command],
) -> str:
    there = [
        *(f"D1 database {each.name}" for each in need.databases.values() if exists(each, found)),
        *(f"queue {queue}" for queue in need.queues if queue in found.queues),
        *(f"Vectorize index {name}" for name in need.indexes if name in found.indexes),
        *(f"secret {name}" for name in need.secrets if name in found.secrets),
    ]
    lines = [f"The account {account.name} ({account.id}) has:"]
    lines += [f"  {each}" for each in there] or ["  nothing of what the Worker needs"]
    lines += ["", f"To deploy the Worker {need.worker}, these commands are run:"]
    for command in commands:
        lines += [f"  # {command.reason}"] if command.reason else []
        lines.append(f"  {command}")
    return "\n".join(lines) + "\n\n"


def _is_yes(question: str) -> bool:
    if not sys.stdin.isatty():
        raise DeploymentError("Nobody can be asked here: `make deploy YES=1` runs the commands.")
    return input(question).strip().lower() in {"y", "yes"}


def _secret_values(names: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The values of secrets, from the environment or from the keyboard."""
    values = {}
    for name in names:
        value = environment.get(name, "")
        if not value and sys.stdin.isatty():
            value = getpass.getpass(f"{name} (is not shown): ")
        if not value:
            raise DeploymentError(
                f"The Worker needs the secret {name}: set it as a variable of the environment."
            )
        values[name] = value
    return values


@contextmanager
def _secrets_file(path: Path, values: Mapping[str, str]) -> Iterator[None]:
    """Keep the secrets in a file that only its owner can read, as long as the context lasts."""
    if not values:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.touch(0o600, exist_ok=False)
        # JSON, because wrangler would replace `$NAME` in an .env file.
        path.write_text(json.dumps(dict(values)), "utf-8")
        yield
    finally:
        path.unlink(missing_ok=True)


def _run(wrangler: Wrangler, commands: Sequence[Command], *, agreed: bool) -> None:
    for command in commands:
        _say(f"\n$ {command}\n")
        # Without CI, wrangler asks before it takes a host name away from another Worker.
        asks = command.arguments[0] == "deploy" and not agreed
        status = wrangler.run(*command.arguments, without=("CI",) if asks else ())
        if status != 0:
            raise DeploymentError(
                f"\n`{command}` failed with status {status}. What was made before it stays; mend "
                "the cause and run `make deploy` again: it goes on from there."
            )


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
