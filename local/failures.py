"""The two errors that the rooms of `local/` share."""

from __future__ import annotations


class BindingError(Exception):
    """A binding rejects a call: a JavaScript `Error` with this name and this message.

    A caller on Cloudflare sees these two strings and nothing else.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name = name
        self.message = message

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"

    def to_wire(self) -> dict[str, str]:
        """The `error` object of an RPC answer."""
        return {"name": self.name, "message": self.message}


class StartError(Exception):
    """A part of a local run cannot start. The message is one sentence that says what to change."""
