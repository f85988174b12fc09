"""The Worker of production, in which no module may read a clock while it is imported.

The runtime refuses randomness during the import, but not a clock: it answers 1970, and a memory
snapshot keeps that answer for ever.
"""

from __future__ import annotations

import sys
import time
from datetime import date, datetime
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any, Final

# Whether a package reads a clock while it is imported is the package's own affair.
import pydantic  # noqa: F401
import workers  # noqa: F401

if TYPE_CHECKING:
    from types import CodeType, FrameType

OURS: Final = "/session/metadata/"
VENDORED: Final = "/session/metadata/python_modules/"
IMPORTING: Final = "<frozen importlib"
CLOCKS: Final = {
    *(datetime.now, datetime.today, datetime.utcnow, date.today),
    *(time.time, time.time_ns, time.monotonic, time.monotonic_ns, time.perf_counter),
    *(time.perf_counter_ns, time.process_time, time.gmtime, time.localtime, time.ctime),
}


def refuse_clocks(_code: CodeType, _offset: int, called: object, _argument: object) -> None:
    """Raise when a module of the Worker reads a clock, by itself or through another function."""
    if not isinstance(called, BuiltinFunctionType) or called not in CLOCKS:
        return
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - who calls
    while frame is not None and not frame.f_code.co_filename.startswith(IMPORTING):
        name = frame.f_code.co_filename
        if name.startswith(OURS) and not name.startswith(VENDORED):
            place = f"{name.removeprefix(OURS)}, line {frame.f_lineno}"
            raise RuntimeError(f"{place} reads a clock during the import of the Worker")
        frame = frame.f_back


# The host's Python, whose types are checked, may be older than the Worker's.
monitoring: Any = vars(sys)["monitoring"]
monitoring.use_tool_id(monitoring.DEBUGGER_ID, "clockless")
monitoring.register_callback(monitoring.DEBUGGER_ID, monitoring.events.CALL, refuse_clocks)
monitoring.set_events(monitoring.DEBUGGER_ID, monitoring.events.CALL)

import entry  # noqa: E402 - imported under the watch

monitoring.set_events(monitoring.DEBUGGER_ID, monitoring.events.NO_EVENTS)


class Default(entry.Default):
    """The real entry, with the method that `workerd test` looks for."""

    def test(self) -> None:
        """Nothing: the import was the test."""
