"""Tests of `local.setup.pyodide_bundle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.setup.layout import Layout
from local.setup.pyodide_bundle import BUNDLE_NAME, BundleError, adapt_loader, build

if TYPE_CHECKING:
    from pathlib import Path

LOADER = (
    "async function _createPyodideModule(){var base=align(getMemory(size+align),align);}"
    "export default _createPyodideModule;\n"
)
PRELUDE = "// prelude"


def _package(folder: Path, loader: str = LOADER) -> Path:
    folder.mkdir()
    (folder / "pyodide.asm.mjs").write_text(loader, encoding="utf-8")
    (folder / "pyodide.asm.wasm").write_bytes(b"\0asm")
    (folder / "python_stdlib.zip").write_bytes(b"PK")
    return folder


def test_the_prelude_comes_first_and_the_export_goes() -> None:
    """The factory keeps its name, and only its export is replaced."""
    adapted = adapt_loader(LOADER, PRELUDE)

    assert adapted.startswith(PRELUDE)
    assert "async function _createPyodideModule(){" in adapted
    assert "export default" not in adapted


def test_libraries_get_their_memory_from_the_runtime() -> None:
    """The runtime knows the place of a library in a restored snapshot."""
    adapted = adapt_loader(LOADER, PRELUDE)

    assert "var base=align(Module.getMemoryPatched(Module, libName, size+align),align);" in adapted


def test_the_factory_is_exported_under_both_names() -> None:
    """The runtime imports it by name, and Pyodide's own tools as the default."""
    exports = adapt_loader(LOADER, PRELUDE).splitlines()[-1]

    assert "rememberRuntime as default" in exports
    assert "rememberRuntime as _createPyodideModule" in exports


@pytest.mark.parametrize(
    "loader",
    [
        "",
        "export { x };",
        LOADER + "more();",
        LOADER.replace("getMemory(", "allocate("),
        LOADER.replace("getMemory(", "getMemory(getMemory("),
    ],
)
def test_a_loader_of_another_shape_is_refused(loader: str) -> None:
    """One sentence now is better than a runtime that does not start."""
    with pytest.raises(BundleError, match=r"package\.json"):
        adapt_loader(loader, PRELUDE)


def test_a_bundle_is_written_whole(tmp_path: Path) -> None:
    """It has the three modules, and no partial file is left."""
    (tmp_path / "prelude.js").write_text(PRELUDE)
    target = tmp_path / "bundles" / BUNDLE_NAME

    build(_package(tmp_path / "pyodide"), tmp_path / "prelude.js", target)

    content = target.read_bytes()
    names = ["pyodide.asm\0", "pyodide.asm.wasm\0", "python_stdlib.zip\0"]
    assert [f"pyodideRuntime-internal:{name}".encode() in content for name in names] == [True] * 3
    assert [target] == list(target.parent.iterdir())


def test_a_wrong_package_is_one_sentence(tmp_path: Path) -> None:
    """The sentence says what to run, and no bundle is written."""
    (tmp_path / "prelude.js").write_text(PRELUDE)
    package = _package(tmp_path / "pyodide", loader="export {};")
    target = tmp_path / "bundles" / BUNDLE_NAME

    with pytest.raises(BundleError, match="run `make distclean`"):
        build(package, tmp_path / "prelude.js", target)

    assert not target.exists()


def test_the_prelude_defines_what_the_exports_name() -> None:
    """Prelude and exports are in two files, so their names must agree."""
    prelude = (Layout().root / "local" / "setup" / "pyodide_prelude.js").read_text(encoding="utf-8")

    assert "function rememberRuntime(" in prelude
