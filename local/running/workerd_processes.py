"""Find the processes of a running Worker's runtime, to measure what they use (Linux only)."""

from __future__ import annotations

from pathlib import Path


def workerd_processes(state: Path) -> list[Path]:
    """The folders in `/proc` of the workerd processes that use this state folder."""
    marker = str(state).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue  # The process has ended, or belongs to another user.
        if b"workerd" in command and b"serve" in command and marker in environment:
            found.append(process)
    return found
