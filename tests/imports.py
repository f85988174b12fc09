"""What a Python file imports, read from its text."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def file_of(module: str, root: Path) -> Path | None:
    """The file of a module under `root`, or None if there is no such module."""
    base = root.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def imports_of(path: Path, root: Path) -> set[str]:
    """The modules that a file imports, also those that it imports for types only.

    Args:
        path: the file. It must not import relatively.
        root: the folder of its top-level packages. `from a import b` imports the module `a.b`
            where that is a module under `root`, and otherwise `a`.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            names = {f"{module}.{alias.name}" for alias in node.names}
            found |= {name for name in names if file_of(name, root)} or {module}
    return found
