"""The checked copy of the Worker's sources that `wrangler dev` serves.

wrangler reloads a file that it watches as soon as the file changes, so a source with a mistake
would replace the running Worker. Therefore wrangler watches a copy, and the copy changes only after
the saved sources have passed the check.
"""

from __future__ import annotations

import tomllib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic

from local.running.source_check import SourceMistake, Summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from local.running.source_check import SourceCheck
    from local.setup.layout import Layout

_CONFIGURATION: Final = "wrangler.toml"
_PATTERNS: Final = ("src/**/*", _CONFIGURATION)

Contents = dict[str, bytes]
"""The content of each file by its path below the checkout."""


class ServedSources(Generic[Summary]):
    """A checked copy of the sources of one checkout.

    Attributes:
        folder: the copy. wrangler runs in it.
    """

    def __init__(self, layout: Layout, folder: Path, check: SourceCheck[Summary]) -> None:
        """Keep the copy of the sources of `layout` below `folder`, checked by `check`."""
        self.folder = folder / "served"
        self._layout = layout
        self._source_check = check
        self._candidate = folder / "candidate"
        self._cache = folder / "compiled"
        self._seen: Mapping[str, object] = {}
        self._looked_at: Mapping[str, object] = {}
        self._served: Contents = {}
        self._proven: Contents = {}

    def start(self) -> Summary:
        """Copy the sources as they are now.

        Raises:
            SourceMistake: they cannot be served. The copy stays as it is.
        """
        self._seen = self._looked_at = self._scan()
        self.folder.mkdir(parents=True, exist_ok=True)
        packages = self.folder / "python_modules"
        packages.unlink(missing_ok=True)
        packages.symlink_to(self._layout.python_modules, target_is_directory=True)
        contents, summary = self._check()
        _write(self.folder, contents)
        self._served = self._proven = contents
        return summary

    def have_changed(self) -> bool:
        """Whether files were saved since the last check, and none since the last call.

        Editors and git write several files one after the other. Two calls that find the same files
        show that the last one is written.
        """
        now = self._scan()
        is_settled, self._looked_at = now == self._looked_at, now
        return is_settled and now != self._seen

    def check(self) -> tuple[Contents, Summary]:
        """Read and check the saved sources. Pass the contents to `serve`.

        Raises:
            SourceMistake: they cannot be served. The copy stays as it is.
        """
        self._seen = self._looked_at
        return self._check()

    def serve(self, contents: Contents) -> bool:
        """Write checked sources to the copy. Returns whether anything differed."""
        if self._served == contents:
            return False
        _rewrite(self.folder, self._served, contents)
        self._served = contents
        return True

    def touch(self) -> None:
        """Make wrangler look again. It overlooks new files, and changes while it builds."""
        (self.folder / self._source_check.first_file).touch()

    def keep(self) -> None:
        """Remember the served sources as good, because the Worker runs with them."""
        self._proven = self._served

    def roll_back(self) -> None:
        """Serve the sources of the last `keep`, or those of the start."""
        self.serve(self._proven)

    def _check(self) -> tuple[Contents, Summary]:
        # The check reads a copy, so a file that is saved meanwhile is not served unchecked.
        contents = _read(self._layout.root)
        _parse_configuration(contents)
        _write(self._candidate, contents)
        packages = self._layout.python_modules.resolve()
        return contents, self._source_check.run(self._candidate / "src", packages, self._cache)

    def _scan(self) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for name, path in _files(self._layout.root):
            # An editor may be replacing this file right now.
            with suppress(FileNotFoundError):
                status = path.stat()
                found[name] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return found


def _parse_configuration(contents: Contents) -> None:
    try:
        tomllib.loads(contents[_CONFIGURATION].decode())
    except KeyError:
        raise SourceMistake(f"{_CONFIGURATION} is missing.") from None
    except ValueError as error:
        raise SourceMistake(f"{_CONFIGURATION}: {error}.") from None


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for pattern in _PATTERNS:
        for path in folder.glob(pattern):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(folder).as_posix(), path


def _read(folder: Path) -> Contents:
    contents: Contents = {}
    for name, path in _files(folder):
        with suppress(FileNotFoundError):
            contents[name] = path.read_bytes()
    return contents


def _write(folder: Path, contents: Contents) -> None:
    """Make the files below `folder` these. A file with the same content is not touched."""
    before = _read(folder)
    for name in before.keys() - contents.keys():
        (folder / name).unlink()
    for name, content in contents.items():
        if before.get(name) != content:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _rewrite(folder: Path, before: Contents, contents: Contents) -> None:
    """Change the files that wrangler watches, each by one write.

    wrangler reads a file at its first event and ignores a second event within 50 ms. If the content
    were incomplete at the first event, wrangler would run it for good. So a file that becomes
    shorter is padded with empty lines, because cutting it off would be a second event.
    """
    for name in before.keys() - contents.keys():
        (folder / name).unlink()
    for name, content in contents.items():
        path = folder / name
        if name not in before:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        elif before[name] != content:
            with path.open("r+b", buffering=0) as file:
                file.write(content.ljust(path.stat().st_size, b"\n"))
