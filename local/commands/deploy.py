"""`make deploy`: make what is missing in the Cloudflare account, migrate, and upload the Worker.

It shows the commands before it runs them, and asks. A run that failed is started again: what is
there is found and left alone.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from local.deployment.cloudflare_account import (
    ACCOUNT_VARIABLE,
    Wrangler,
    existing_resources,
    find_account,
)
from local.deployment.planning import (
    JURISDICTIONS,
    LOCATIONS,
    SECRETS_FILE,
    DeploymentError,
    exists,
    missing_secrets,
    plan_deployment,
    refuse_unfinished,
    required_resources,
)
from local.setup.layout import Layout, MissingToolError
from schema import app

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from local.deployment.cloudflare_account import Account
    from local.deployment.planning import Command, ExistingResources, RequiredResources

_BROKEN: Final = 1


def deploy(arguments: Sequence[str] | None = None, wrangler: Wrangler | None = None) -> int:
    """Deploy, if the person agrees; the answer is the exit status."""
    options = _parser().parse_args(arguments)
    layout = Layout()
    try:
        if wrangler is None:
            wrangler = Wrangler(layout.wrangler(), layout.root, layout.environment())
        _deploy(wrangler, _place(options), agreed=options.yes)
    except (DeploymentError, MissingToolError) as error:
        _say(f"{error}\n")
        return _BROKEN
    except KeyboardInterrupt:
        _say("\nStopped; `make deploy` goes on from here.\n")
        return _BROKEN
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make deploy", description=__doc__)
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--location", choices=LOCATIONS, help="where a new D1 database is kept")
    place.add_argument(
        "--jurisdiction", choices=JURISDICTIONS, help="where the law says it must be kept"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _place(options: argparse.Namespace) -> str | None:
    if options.location:
        return f"--location={options.location}"
    return f"--jurisdiction={options.jurisdiction}" if options.jurisdiction else None


def _deploy(wrangler: Wrangler, place: str | None, *, agreed: bool) -> None:
    need = required_resources(app, wrangler.folder)
    refuse_unfinished(need)
    account = find_account(wrangler)
    # Each call is for this account, whatever wrangler remembers of an earlier one.
    environment = {**wrangler.environment, ACCOUNT_VARIABLE: account.id}
    wrangler = Wrangler(wrangler.command, wrangler.folder, environment)
    found = existing_resources(wrangler, need)
    commands = plan_deployment(need, found, place)
    _say(_outline(account, need, found, commands))
    if not (agreed or _is_yes("Run these commands? [y/N] ")):
        raise DeploymentError("Nothing was changed.")
    values = _values(missing_secrets(need, found), wrangler.environment)
    with _secrets_file(wrangler.folder / SECRETS_FILE, values):
        _run(wrangler, commands, agreed=agreed)
    hosts = " and ".join(f"https://{host}" for host in need.hosts) or "its workers.dev address"
    _say(f"\nCognate is deployed at {hosts}. docs/production.md says what to look at now.\n")


def _outline(
    account: Account, need: RequiredResources, found: ExistingResources, commands: Sequence[Command]
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


def _values(names: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The secrets, from the environment or from the keyboard."""
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
    """Have the secrets in a file that only its owner can read, for as long as it is needed."""
    if not values:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.touch(0o600, exist_ok=False)
        # Not in the form of an .env file, in which wrangler replaces `$NAME`.
        path.write_text(json.dumps(dict(values)), "utf-8")
        yield
    finally:
        path.unlink(missing_ok=True)


def _run(wrangler: Wrangler, commands: Sequence[Command], *, agreed: bool) -> None:
    for command in commands:
        _say(f"\n$ {command}\n")
        # wrangler asks before it takes a host name away from something else, unless CI is set.
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


if __name__ == "__main__":
    sys.exit(deploy())
