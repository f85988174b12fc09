"""The steps of the set-up: what a checkout needs installed, in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.setup.memory_snapshot import (
    EMPTY_WORKER,
    OWN_SDK_FLAG,
    Compatibility,
    SnapshotError,
    load_options,
    save_snapshot,
)
from local.setup.pyodide_bundle import BundleError, build
from local.setup.steps import SetupError, Step, run_logged
from local.setup.workerd_script import bundle_option, write_workerd_script

if TYPE_CHECKING:
    from local.setup.layout import Layout

PYODIDE_PLATFORM: Final = "pyemscripten_2026_0_wasm32"
"""The platform tag of wheels for the Pyodide of the runtime that package-lock.json pins."""

PYODIDE_PYTHON: Final = "3.14"
"""The Python version of that Pyodide."""

_PIP_SETTING: Final = re.compile(r"^[^.]*\.(index-url|cert)='(.*)'$", re.MULTILINE)
_UV_NAME_OF_PIP_SETTING: Final = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}


def installation_steps(layout: Layout) -> list[Step]:
    """The steps that make a fresh clone ready, each with its inputs."""
    run = _Run(layout)
    root = layout.root
    own = root / "local" / "setup"
    return [
        Step(
            "python",
            "Python environment with uv",
            [layout.requirements / "bootstrap.txt"],
            [sys.version, sys.executable, str(root)],
            [layout.python, layout.uv],
            run.python,
        ),
        Step(
            "packages",
            "Python packages, the sentence model and Node",
            [layout.requirements / "host.txt"],
            [],
            # A new environment lacks pytest, so the packages are installed again.
            [layout.python.parent / "pytest"],
            run.packages,
        ),
        Step(
            "node",
            "wrangler, workerd and Pyodide",
            [root / "package.json", root / "package-lock.json", root / ".npmrc"],
            [],
            [layout.node_modules / "wrangler", layout.pyodide],
            run.node,
        ),
        Step(
            "bundle",
            "Pyodide bundle and the memory snapshot that workerd starts from",
            [
                root / "package-lock.json",
                own / "pyodide_bundle.py",
                own / "pyodide_prelude.js",
                own / "capnp.py",
                own / "memory_snapshot.py",
                own / "workerd_script.py",
            ],
            [str(root), str(_compatibility(root))],
            [layout.bundle, layout.snapshot, layout.workerd],
            run.bundle,
        ),
        Step(
            "worker",
            "the Worker's own dependencies",
            [layout.requirements / "worker.txt", own / "installation.py"],
            [],
            [layout.python_modules],
            run.worker,
            # pywrangler writes this file when it has replaced the packages with its own choice.
            [layout.python_modules / ".synced"],
        ),
    ]


def _compatibility(root: Path) -> Compatibility:
    """Read the compatibility settings of `wrangler.toml`, which a person may have broken."""
    try:
        return Compatibility.local(root / "wrangler.toml")
    except FileNotFoundError:
        message = "wrangler.toml is missing."
    except KeyError as error:
        message = f"wrangler.toml: {error} is missing."
    except ValueError as error:
        message = f"wrangler.toml: {error}."
    raise SetupError(message)


@dataclass(frozen=True)
class _Run:
    layout: Layout

    def _log(self, name: str) -> Path:
        return self.layout.logs / f"{name}.log"

    def python(self) -> None:
        layout, log = self.layout, self._log("python")
        environment = _download_environment()
        # Without pip, because the Python of Debian cannot install it there.
        venv = [sys.executable, "-m", "venv", "--clear", "--without-pip"]
        run_logged(
            [*venv, str(layout.virtual_environment)],
            log,
            "Making the Python environment (Debian and Ubuntu have it in the package python3-venv)",
        )
        pip = [sys.executable, "-m", "pip", f"--python={layout.python}"]
        requirements = layout.requirements / "bootstrap.txt"
        run_logged(
            [*pip, "install", "--quiet", "--require-hashes", f"--requirement={requirements}"],
            log,
            "Installing uv with pip",
            environment,
        )
        layout.maker.write_text(sys.executable, "utf-8")

    def packages(self) -> None:
        layout = self.layout
        requirements = layout.requirements / "host.txt"
        command = [str(layout.uv), "pip", "sync", "--require-hashes", "--no-progress"]
        run_logged(
            [*command, f"--python={layout.python}", str(requirements)],
            self._log("packages"),
            "Installing the Python packages",
            _uv_environment(_download_environment()),
        )

    def node(self) -> None:
        layout = self.layout
        run_logged(
            # The install scripts of the packages are optional, so none is run.
            layout.npm("ci", "--ignore-scripts", "--no-audit", "--no-fund"),
            self._log("node"),
            "Installing wrangler and workerd with npm",
            {**_download_environment(), **layout.environment()},
            layout.root,
        )

    def bundle(self) -> None:
        layout = self.layout
        prelude = layout.root / "local" / "setup" / "pyodide_prelude.js"
        try:
            build(layout.pyodide, prelude, layout.bundle)
        except (BundleError, OSError) as error:
            message = f"Making the Pyodide bundle failed: {error}"
            raise SetupError(message) from error
        bundle = bundle_option(layout.bundle)
        workerd = layout.real_workerd
        compatibility = _compatibility(layout.root).with_flags(OWN_SDK_FLAG)
        try:
            with tempfile.TemporaryDirectory(dir=layout.snapshot.parent) as folder:
                worker = Path(folder) / "worker.py"
                worker.write_text(EMPTY_WORKER, encoding="utf-8")
                saved = save_snapshot([str(workerd), bundle], worker, compatibility)
                saved.replace(layout.snapshot)
        except SnapshotError as error:
            message = f"Saving a memory snapshot of Python failed: {error}"
            raise SetupError(message) from error
        options = [bundle, *load_options(layout.snapshot)]
        write_workerd_script(workerd, options, layout.workerd)

    def worker(self) -> None:
        layout = self.layout
        # pip removes no older versions from a folder, and wrangler would upload them too.
        shutil.rmtree(layout.python_modules, ignore_errors=True)
        run_logged(
            vendor_command(
                layout.python, layout.requirements / "worker.txt", layout.python_modules
            ),
            self._log("worker"),
            "Installing the Worker's dependencies",
            _download_environment(),
        )


def vendor_command(python: Path, requirements: Path, target: Path) -> list[str]:
    """The pip command that installs `requirements`, built for Pyodide, into `target`.

    It does what `pywrangler sync` does, but needs no package index besides PyPI and no second
    interpreter.
    """
    return [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        f"--platform={PYODIDE_PLATFORM}",
        f"--python-version={PYODIDE_PYTHON}",
        "--implementation=cp",
        f"--abi=cp{PYODIDE_PYTHON.replace('.', '')}",
        "--abi=abi3",
        "--abi=none",
        f"--target={target}",
        f"--requirement={requirements}",
    ]


def _download_environment() -> dict[str, str]:
    """The environment, with downloads that give up within a minute unless it says otherwise."""
    defaults = {
        "PIP_RETRIES": "2",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_HTTP_RETRIES": "2",
        # As pip does, and as `Layout.environment` tells npm.
        "UV_SYSTEM_CERTS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "npm_config_fetch_retries": "1",
        "npm_config_fetch_retry_mintimeout": "1000",
        "npm_config_fetch_timeout": "60000",
        "npm_config_update_notifier": "false",
    }
    return {**defaults, **os.environ}


def _uv_environment(environment: dict[str, str]) -> dict[str, str]:
    """Add pip's index and certificates to the environment, because uv does not read pip's files."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    return {**uv_settings(listing), **environment}


def uv_settings(listing: str) -> dict[str, str]:
    """Convert the output of `pip config list` to variables of uv."""
    return {_UV_NAME_OF_PIP_SETTING[name]: value for name, value in _PIP_SETTING.findall(listing)}
