"""Cognate is MIT, and so may be everything that it installs: the lock files name nothing else."""

from __future__ import annotations

import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[3]

DEPLOYED: Final = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0"}
)
"""Licences of what is deployed: they ask for a notice at most (SPDX names)."""

ON_THE_HOST: Final = DEPLOYED | {"CC0-1.0", "MPL-2.0", "Zlib"}
"""Licences of tools that run on the host only. The MPL asks for the sources of its own files, and
Cognate neither changes nor hands on any of them."""

LIBVIPS: Final = (
    "libvips, a shared library under the LGPL: wrangler's image simulator loads it; Cognate uses "
    "no images, and neither links it nor hands it on"
)
EXCEPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"@img/sharp{suffix}": LIBVIPS
        for suffix in (
            "-libvips-darwin-arm64", "-libvips-darwin-x64", "-libvips-linux-arm",
            "-libvips-linux-arm64", "-libvips-linux-ppc64", "-libvips-linux-riscv64",
            "-libvips-linux-s390x", "-libvips-linux-x64", "-libvips-linuxmusl-arm64",
            "-libvips-linuxmusl-x64", "-wasm32", "-win32-arm64", "-win32-ia32", "-win32-x64",
        )
    }
)  # fmt: skip
"""Packages on the host whose licence is not in the list, each with the reason why it may stay."""

CLASSIFIERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Apache Software License": "Apache-2.0",
        "BSD License": "BSD-3-Clause",
        "ISC License (ISCL)": "ISC",
        "MIT License": "MIT",
        "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
        "Python Software Foundation License": "PSF-2.0",
    }
)
"""What older packages say in place of an SPDX name."""

FULL_TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {"Permission is hereby granted, free of charge, to any person obtaining a copy": "MIT"}
)
"""A sentence that stands in one licence only, for packages that write the whole text."""


def _licence(package: Distribution) -> str:
    """The licence of a Python package as an SPDX expression; empty where it names none."""
    metadata = package.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    prefix = "License :: OSI Approved :: "
    named = [
        CLASSIFIERS.get(classifier.removeprefix(prefix), classifier)
        for classifier in metadata.get_all("Classifier", [])
        if classifier.startswith(prefix)
    ]
    if named:
        return " AND ".join(named)
    text = " ".join(metadata["License"].split()) if "License" in metadata else ""
    return next((name for sentence, name in FULL_TEXTS.items() if sentence in text), text)


def _is_allowed(expression: str, licences: frozenset[str]) -> bool:
    """Whether an SPDX expression without brackets can be met by these licences alone."""
    assert "(" not in expression
    return any(
        all(name in licences for name in choice.split(" AND "))
        for choice in expression.split(" OR ")
    )


def _locked(name: str) -> Iterator[Requirement]:
    """The packages of one lock file, each with its version and the systems that need it."""
    for line in (ROOT / "requirements" / name).read_text("utf-8").splitlines():
        if line[:1].isalnum():
            yield Requirement(line.removesuffix("\\"))


def _not_allowed(
    name: str, installed: Mapping[str, Distribution], licences: frozenset[str]
) -> dict[str, str]:
    """The packages of a lock file whose licence is not among these, each with its licence."""
    found = {
        requirement.name: _licence(installed[canonicalize_name(requirement.name)])
        for requirement in _locked(name)
        if requirement.marker is None or requirement.marker.evaluate()
    }
    assert found != {}
    return {name: value for name, value in found.items() if not _is_allowed(value, licences)}


def _installed(*folders: Path) -> dict[str, Distribution]:
    """The installed Python packages, of the running interpreter where no folder is named."""
    path = [str(folder) for folder in folders] or sys.path
    return {canonicalize_name(found.name): found for found in distributions(path=path)}


def _npm_licences() -> dict[str, str]:
    """The licence of each npm package that the lock file names, for every system."""
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
    return {path: entry["license"] for path, entry in lock["packages"].items() if path}


def test_the_repository_is_under_the_mit_license() -> None:
    """LICENSE has the text of the MIT License and the name of the authors."""
    text = (ROOT / "LICENSE").read_text("utf-8")

    assert text.startswith("MIT License\n\nCopyright (c) 2026 The Cognate authors\n")
    assert all(sentence in " ".join(text.split()) for sentence in FULL_TEXTS)


def test_what_is_deployed_asks_for_a_notice_at_most() -> None:
    """The wheels in `python_modules/` are uploaded with the Worker."""
    assert {} == _not_allowed("worker.txt", _installed(ROOT / "python_modules"), DEPLOYED)


@pytest.mark.parametrize("name", ["host.txt", "bootstrap.txt"])
def test_python_packages_on_the_host_may_be_used_beside_mit(name: str) -> None:
    """The packages of `.venv`."""
    assert {} == _not_allowed(name, _installed(), ON_THE_HOST)


def test_npm_packages_on_the_host_may_be_used_beside_mit() -> None:
    """Every npm package of the lock file, also those of other systems, or an exception."""
    refused = {
        path.rpartition("node_modules/")[2]
        for path, licence in _npm_licences().items()
        if not _is_allowed(licence, ON_THE_HOST)
    }

    assert set(EXCEPTIONS) == refused


def test_npm_packages_say_what_their_lock_file_says() -> None:
    """The lock file's licence of each installed npm package is that of the package itself."""
    installed = {
        path: json.loads((ROOT / path / "package.json").read_text("utf-8"))["license"]
        for path in _npm_licences()
        if (ROOT / path).is_dir()
    }

    assert installed != {}
    assert {path: _npm_licences()[path] for path in installed} == installed


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        # The reader may choose.
        ("GPL-3.0-only OR MIT", True),
        # Both apply.
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND ISC", True),
        # A package that names no licence grants nothing.
        ("", False),
    ],
)
def test_a_choice_of_licences_is_allowed_by_one_of_them(expression: str, *, allowed: bool) -> None:
    """Of licences with OR one is enough; with AND each counts."""
    assert allowed == _is_allowed(expression, DEPLOYED)
