"""Run the steps of the set-up. A step runs again only when one of its inputs has changed."""

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
"""Messages of pip, uv and npm that could not reach their registry."""


class SetupError(Exception):
    """A step failed. The message is one sentence that says what to do."""


@dataclass(frozen=True)
class Step:
    """One thing to install or to generate.

    Attributes:
        name: the name of its stamp and its log, such as `node`.
        title: the text that a person reads while it runs.
        inputs: files. The step runs again when the content of one changes.
        values: other inputs, such as the version of Python.
        products: paths. The step runs again when one is missing.
        run: runs the step. May raise `SetupError`.
        foreign: paths that another program makes among the products. The step runs again when one
            exists.
    """

    name: str
    title: str
    inputs: Sequence[Path]
    values: Sequence[str]
    products: Sequence[Path]
    run: Callable[[], None]
    foreign: Sequence[Path] = ()

    def digest(self) -> str:
        """A hash of all inputs."""
        digest = hashlib.sha256()
        for value in self.values:
            digest.update(f"{len(value)}:{value}".encode())
        for path in self.inputs:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def is_done(self, stamps: Path) -> bool:
        """Whether the products exist and were made from the present inputs."""
        stamp = stamps / self.name
        return (
            all(product.exists() for product in self.products)
            and not any(path.exists() for path in self.foreign)
            and stamp.is_file()
            and stamp.read_text(encoding="ascii") == self.digest()
        )


def run_steps(steps: Sequence[Step], stamps: Path, say: Callable[[str], None]) -> int:
    """Run the steps that are not done, in order. Returns how many ran.

    The stamp of a step is removed before it runs and written after it, so an interrupted step runs
    again.

    Raises:
        SetupError: a step failed. The steps after it did not run.
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
    """Run `command` and append its output to `log`.

    Raises:
        SetupError: it failed. The sentence says that `what` failed, why, and names the log.
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
    """Write to standard error at once, also if it is no terminal."""
    sys.stderr.write(text)
    sys.stderr.flush()
