"""`make deploy`: create what is missing in the Cloudflare account, migrate, upload the Worker."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from local import PROJECT
from local.deployment.cloudflare_account import Wrangler
from local.deployment.planning import (
    JURISDICTIONS,
    LOCATIONS,
    DeploymentError,
    IndexResource,
    RequiredResources,
)
from local.deployment.procedure import run_deployment
from local.setup.layout import ROOT, Layout, MissingToolError
from schema import app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cognate.schema import Cognate

_RECORDS: Final = "DB"
_AFTER_NEW_METADATA_INDEX: Final = (
    "It covers vectors written from now on. After the deployment start a backfill of the table "
    'with "only": "all".'
)
_FAILED: Final = 1


def deploy(arguments: Sequence[str] | None = None, wrangler: Wrangler | None = None) -> int:
    """Deploy if the person agrees. Returns the exit status."""
    options = _parser().parse_args(arguments)
    layout = Layout()
    try:
        if wrangler is None:
            wrangler = Wrangler(layout.wrangler(), layout.root, layout.environment())
        need = required_resources(app, wrangler.folder)
        run_deployment(wrangler, need, _place(options), agreed=options.yes)
    except (DeploymentError, MissingToolError) as error:
        _say(f"{error}\n")
        return _FAILED
    except KeyboardInterrupt:
        _say("\nStopped; `make deploy` goes on from here.\n")
        return _FAILED
    hosts = " and ".join(f"https://{host}" for host in need.hosts) or "its workers.dev address"
    _say(f"\n{PROJECT} is deployed at {hosts}. docs/production.md says what to look at now.\n")
    return 0


def required_resources(app: Cognate, root: Path = ROOT) -> RequiredResources:
    """The resources that a schema and the `wrangler.toml` in `root` need."""
    return RequiredResources.read(
        root / "wrangler.toml",
        {
            index.binding: IndexResource(index.dimensions, index.metric, index.metadata_indexes)
            for index in app.vector_indexes()
        },
        migrated=_RECORDS,
        after_new_metadata_index=_AFTER_NEW_METADATA_INDEX,
    )


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


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(deploy())
