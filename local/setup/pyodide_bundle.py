"""Build the Pyodide bundle that workerd starts Python from, out of npm's `pyodide` package.

The bundle is one file, a Cap'n Proto message with a list of modules. workerd downloads the released
bundles from a host that is no package registry, and reads the development bundle
(`pyodide_dev.capnp.bin`) from a local folder. Three modules are enough, and npm has all three in
the version that this workerd expects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.setup.capnp import Module, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE_NAME = "pyodide_dev.capnp.bin"
"""The file name of the bundle when the compatibility flags for development are set."""

_ALLOCATION = "getMemory("
_PATCHED_ALLOCATION = "Module.getMemoryPatched(Module, libName, "
"""A shared library allocates its memory with this call. The function of workerd gives each library
its place in the restored memory snapshot. Cloudflare's bundle has the same substitution."""
_FACTORY_EXPORT = "export default _createPyodideModule;"
_MODULE_PREFIX = "pyodideRuntime-internal:"


class BundleError(Exception):
    """The files of npm's `pyodide` do not have the expected shape."""


def adapt_loader(loader: str, prelude: str) -> str:
    """Turn npm's loader into the module that workerd imports.

    `prelude` goes before the loader. The factory is exported under the names that workerd imports.
    Shared libraries get their memory from workerd.

    Raises:
        BundleError: the loader does not have the expected shape.
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
    """Build the bundle from the folder of the npm package and write it to `target`.

    The file appears only when it is complete.
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
