"""`make dev`: start Cognate, print how to try it, and end everything on Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cognate.settings import SECRET
from local.demo.greeting import greeting
from local.demo.sample_claims import add_demo_claims_once
from local.development.local_cognate import LocalCognate
from local.failures import StartError
from local.running.local_worker import LocalConfig
from local.running.supervisor import Supervisor
from local.setup.layout import Layout, MissingToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PORT: Final = 8787
"""The default of wrangler."""

_FAILED: Final = 1


def develop(arguments: Sequence[str] | None = None) -> int:
    """Run Cognate until it is interrupted. Returns the exit status."""
    options = _parser().parse_args(arguments)
    # Each of these signals ends it as Ctrl-C does. A shell starts a background process with SIGINT
    # ignored, so SIGINT is set too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    worker = LocalCognate(LocalConfig(state=options.state.resolve(), port=options.port))
    try:
        _say("Starting Cognate; the runtime takes some seconds ...\n")
        with worker:
            supervisor = Supervisor(worker, _say)
            for sentence in worker.notices():
                _say(f"\n{sentence}\n")
            _add_demo_claims(worker)
            _say(
                greeting(
                    port=worker.config.port,
                    state=worker.config.state,
                    secret=worker.variable(SECRET),
                    services=worker.schema.services,
                )
            )
            supervisor.run()
    except (StartError, MissingToolError) as error:
        _say(f"{error}\n")
        return _FAILED
    except KeyboardInterrupt:
        _say("\nCognate has stopped; its data is kept.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="local.commands.develop", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the Worker")
    parser.add_argument(
        "--state",
        type=Path,
        default=Layout().development_state,
        help="folder of the database, the vectors and the logs",
    )
    return parser


def _add_demo_claims(worker: LocalCognate) -> None:
    try:
        add_demo_claims_once(worker.url, worker.config.state)
    except OSError as error:
        _say(f"The demo claims were not written ({error}); {worker.wrangler_log} says more.\n")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(develop())
