"""The errors of the local platform: what a binding throws, and why it cannot start."""

from __future__ import annotations


class PlatformError(Exception):
    """What a binding throws: a JavaScript `Error` with this name and this message.

    Callers on Cloudflare see nothing but these two strings, so they are all there is here.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name = name
        self.message = message

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"

    def to_wire(self) -> dict[str, str]:
        """Return the `error` object of an RPC answer."""
        return {"name": self.name, "message": self.message}


class ConfigurationError(Exception):
    """The local platform cannot start; the message says in one sentence what to change."""
