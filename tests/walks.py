"""Follow one request or one queue batch through the modules of `cognate`, by a profile hook.

What counts:

- A module counts if one of its functions runs: a function, a method, a property, a lambda or a
  generator. Constants, classes that are only made, and methods that `dataclass` or pydantic
  generates do not run a function of the module.
- A call between modules is the start of such a function whose nearest caller in `cognate` is in
  another module, or is not in `cognate` at all. Code of libraries in between is looked through, so
  a validator that pydantic calls counts as called by the module that asked pydantic. A coroutine or
  a generator counts once, however often it is resumed.
- Adapters do not count, neither `cognate.cloudflare` nor those of the local platform, and neither
  does what an adapter calls.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from local.setup.layout import ROOT

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import FrameType

COGNATE: Final = f"{ROOT / 'src' / 'cognate'}/"
ADAPTERS: Final = (f"{COGNATE}cloudflare/", f"{ROOT / 'local'}/")
OUTSIDE: Final = "(outside)"

T = TypeVar("T")


@dataclass
class Walk:
    """The modules that ran, and the calls between them.

    Attributes:
        starts: how many functions of each module started.
        calls: how often one module called another, by caller and callee.
        functions: the same calls by the functions that made and took them, as lines of text.
    """

    starts: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)
    _frames: set[FrameType] = field(default_factory=set)

    async def follow(self, awaitable: Awaitable[T]) -> T:
        """Await under the profile hook."""
        sys.setprofile(self._on_event)
        try:
            return await awaitable
        finally:
            sys.setprofile(None)
            self._frames.clear()

    def __str__(self) -> str:
        """The figures, and the calls into each module."""
        into: Counter[str] = Counter()
        for (_, callee), count in self.calls.items():
            into[callee] += count
        listed = ", ".join(f"{name} {count}" for name, count in into.most_common())
        return f"{len(self.starts)} modules, {into.total()} calls between them: {listed}"

    def listing(self) -> str:
        """The figures, and a line for each function that another module calls."""
        lines = [f"{count:4} {line}" for line, count in self.functions.items()]
        return "\n".join([str(self), *lines])

    def _on_event(self, frame: FrameType, event: str, _argument: object) -> None:
        # A coroutine that is resumed has its frame of before.
        if event != "call" or frame in self._frames or frame.f_code.co_name == "<module>":
            return
        callee = _module_of(frame)
        if callee is None:
            return
        self._frames.add(frame)
        caller = frame.f_back
        while caller is not None and _module_of(caller) is None:
            if caller.f_code.co_filename.startswith(ADAPTERS):
                return
            caller = caller.f_back
        self.starts[callee] += 1
        name = OUTSIDE if caller is None else _module_of(caller) or OUTSIDE
        if name != callee:
            self.calls[name, callee] += 1
            source = "" if caller is None else f".{caller.f_code.co_qualname}"
            self.functions[f"{name}{source} -> {callee}.{frame.f_code.co_qualname}"] += 1


def _module_of(frame: FrameType) -> str | None:
    """The module of `cognate` that a frame runs in, such as `jobs.queue`; adapters have none."""
    file = frame.f_code.co_filename
    if not file.startswith(COGNATE) or file.startswith(ADAPTERS):
        return None
    return file.removeprefix(COGNATE).removesuffix(".py").replace("/", ".")
