"""Make the Pyodide bundle that workerd otherwise downloads, from npm's ``pyodide`` package.

workerd starts Python from one file, a Cap'n Proto message holding a list of modules. The released
bundles live on a host that a machine with package registries only cannot reach; the development
bundle (``pyodide_dev.capnp.bin``) is read from a folder of ours. Three modules are enough, and npm
carries all three in the version that this workerd expects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.setup.capnp import Module, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE_NAME = "pyodide_dev.capnp.bin"
"""The file name that workerd looks for when the development flags are set."""

_ALLOCATION = "getMemory("
_PATCHED_ALLOCATION = "Module.getMemoryPatched(Module, libName, "
"""Where a shared library gets its memory. workerd's own function gives each library the place that
it has in a restored memory snapshot; Cloudflare's bundle has the same substitution."""
_FACTORY_EXPORT = "export default _createPyodideModule;"
_MODULE_PREFIX = "pyodideRuntime-internal:"


class BundleError(Exception):
    """npm's ``pyodide`` is not of the shape that the bundle is made from."""


def adapt_loader(loader: str, prelude: str) -> str:
    """Make npm's loader the module that workerd imports.

    ``prelude`` goes before it, its factory is exported under the names that workerd imports, and
    shared libraries get their memory from workerd.

    Raises:
        BundleError: the loader is not of the expected shape.
    """
    body, export, rest = loader.rpartition(_FACTORY_EXPORT)
    if not export or rest.strip() or body.count(_ALLOCATION) != 1:
        raise BundleError(
            f"pyodide.asm.mjs does not end in {_FACTORY_EXPORT!r}, or does not have one "
            f"{_ALLOCATION!r}: this version of the npm package is not the one that package.json "
            "pins; run `make distclean` and try again."
        )
    body = body.replace(_ALLOCATION, _PATCHED_ALLOCATION)
    exports = "export { rememberRuntime as default, rememberRuntime as _createPyodideModule };\n"
    return f"{prelude}\n{body}\n{exports}"


def build(pyodide: Path, prelude: Path, target: Path) -> None:
    """Write the bundle made of the files in ``pyodide`` (the npm package's folder) to ``target``.

    The file appears whole or not at all: an interrupted build leaves no half-written bundle.
    """
    loader = (pyodide / "pyodide.asm.mjs").read_text(encoding="utf-8")
    source = adapt_loader(loader, prelude.read_text(encoding="utf-8"))
    modules = [
        Module(f"{_MODULE_PREFIX}pyodide.asm", "src", source.encode()),
        Module(
            f"{_MODULE_PREFIX}pyodide.asm.wasm", "wasm", (pyodide / "pyodide.asm.wasm").read_bytes()
        ),
        Module(
            f"{_MODULE_PREFIX}python_stdlib.zip",
            "data",
            (pyodide / "python_stdlib.zip").read_bytes(),
        ),
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(write_bundle(modules))
    partial.replace(target)
