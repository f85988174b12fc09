"""Steps of the set-up that run once: each again only when something it was made from changes."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_NETWORK_TROUBLE: Final = re.compile(
    r"ENOTFOUND|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|E403|"
    r"[Cc]onnection (refused|reset|error|timed out)|[Cc]onnectTimeout|NewConnectionError|"
    r"Failed to establish|Failed to fetch|Could not (fetch|connect)|dns error|"
    r"Name or service not known|Temporary failure in name resolution|"
    r"[Nn]etwork is unreachable|CERTIFICATE_VERIFY_FAILED|UnknownIssuer|"
    r"No matching distribution found|UNABLE_TO_(GET|VERIFY)",
)
"""What pip, uv and npm say when they do not reach their registry."""


class SetupError(Exception):
    """A step failed; the message is the one sentence that a person needs."""


@dataclass(frozen=True)
class Step:
    """One thing to install or to generate.

    Attributes:
        name: of its stamp and its log, such as `node`.
        title: what a person reads while it runs.
        inputs: files; the step runs again when the content of one changes.
        values: what else it depends on, such as the interpreter's version.
        products: paths; the step runs again when one is missing.
        run: does it; raises `SetupError`.
        foreign: paths that another program makes among the products; the step runs again when one
            is there.
    """

    name: str
    title: str
    inputs: Sequence[Path]
    values: Sequence[str]
    products: Sequence[Path]
    run: Callable[[], None]
    foreign: Sequence[Path] = ()

    def digest(self) -> str:
        """A hash of everything that the step's products are made from."""
        digest = hashlib.sha256()
        for value in self.values:
            digest.update(f"{len(value)}:{value}".encode())
        for path in self.inputs:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def is_done(self, stamps: Path) -> bool:
        """Whether the products are there, made here, and made from what is there now."""
        stamp = stamps / self.name
        return (
            all(product.exists() for product in self.products)
            and not any(path.exists() for path in self.foreign)
            and stamp.is_file()
            and stamp.read_text(encoding="ascii") == self.digest()
        )


def run_steps(steps: Sequence[Step], stamps: Path, say: Callable[[str], None]) -> int:
    """Run those of `steps` that are not done, in order, and count them.

    A step's stamp goes before the step runs and comes back after it: an interrupted one runs again.

    Raises:
        SetupError: of the first step that failed; those after it did not run.
    """
    ran = 0
    for number, step in enumerate(steps, start=1):
        if step.is_done(stamps):
            continue
        say(f"[{number}/{len(steps)}] {step.title} ...")
        started = time.monotonic()
        stamps.mkdir(parents=True, exist_ok=True)
        stamp = stamps / step.name
        stamp.unlink(missing_ok=True)
        step.run()
        stamp.write_text(step.digest(), encoding="ascii")
        say(f" {time.monotonic() - started:.1f} s\n")
        ran += 1
    return ran


def run_logged(
    command: Sequence[str],
    log: Path,
    what: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Run `command` with its output in `log`.

    Raises:
        SetupError: it failed; the sentence says that `what` failed, why, and where its output is.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        start = output.tell()
        try:
            status = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                check=False,
            ).returncode
        except OSError as error:
            message = f"{what} failed: {command[0]} could not be started ({error.strerror})."
            raise SetupError(message) from error
    if status != 0:
        said = log.read_bytes()[start:].decode(errors="replace")
        raise SetupError(_sentence(what, said, log))


def _sentence(what: str, said: str, log: Path) -> str:
    if _NETWORK_TROUBLE.search(said):
        return (
            f"{what} failed: the package registry did not give it; check the network and the "
            f"settings of pip and npm, then run the same command again (details: {log})."
        )
    return f"{what} failed; {log} says why."


def say(text: str) -> None:
    """Show progress at once, also where the output is no terminal."""
    sys.stderr.write(text)
    sys.stderr.flush()
