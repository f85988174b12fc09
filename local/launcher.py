"""`make dev`: start Cognate, say how to try it, and end everything on Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.demo import add_demo_claims
from local.greeting import greeting
from local.layout import Layout, MissingToolError
from local.local_worker import LocalConfig, LocalWorker, StartError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PORT: Final = 8787
"""wrangler's own."""

_FOLLOW_SECONDS: Final = 0.3
_TICK_SECONDS: Final = 60.0
"""As the cron trigger in wrangler.toml says."""
_BROKEN = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Cognate until it is interrupted; the answer is the exit status."""
    options = _parser().parse_args(arguments)
    # Whoever ends the launcher means what Ctrl-C means, also where a shell started it in the
    # background and so with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    worker = LocalWorker(LocalConfig(state=options.state.resolve(), port=options.port))
    try:
        _say("Starting Cognate; the runtime takes some seconds ...\n")
        with worker:
            add_demo_claims(worker.url)
            _say(greeting(worker))
            _follow(worker)
    except (StartError, MissingToolError) as error:
        _say(f"{error}\n")
        return _BROKEN
    except OSError as error:
        _say(f"The demo claims could not be written: {error}; {worker.wrangler_log} says more.\n")
        return _BROKEN
    except KeyboardInterrupt:
        _say("\nCognate has stopped; its data is kept.\n")
        return 0
    _say(f"The Worker ended by itself; {worker.wrangler_log} says why.\n")
    return _BROKEN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="local.launcher", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the Worker")
    parser.add_argument(
        "--state",
        type=Path,
        default=Layout().development_state,
        help="folder of the database, the vectors and the logs",
    )
    return parser


def _follow(worker: LocalWorker) -> None:
    """Show what the Worker prints from now on, until the Worker ends; and be its clock."""
    next_tick = time.monotonic()
    with worker.wrangler_log.open(encoding="utf-8", errors="replace") as log:
        log.seek(0, 2)
        while worker.is_running():
            _say(log.read())
            if time.monotonic() >= next_tick:
                worker.tick()
                next_tick += _TICK_SECONDS
            time.sleep(_FOLLOW_SECONDS)


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
