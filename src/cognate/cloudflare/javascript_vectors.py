"""Vectors that stay in JavaScript: Python holds only a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from js import Array, Float32Array, Number, Uint8Array
from pyodide.ffi import to_js

from cognate.ports import FLOAT32_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.ports import Vectors


class JavaScriptVectors:
    """`ports.Vectors` over the arrays that Workers AI returned."""

    def __init__(self, rows: JavaScriptObject) -> None:
        """Wrap the rows. They are not checked here."""
        self._rows = rows if rows is not None and Array.isArray(rows) else Array.new()
        self._lengths: list[int] | None = None

    def lengths(self) -> Sequence[int]:
        """See `ports.Vectors.lengths`. A row that is not an array has length 0."""
        if self._lengths is None:
            self._lengths = [row.length if Array.isArray(row) else 0 for row in self._rows]
        return self._lengths

    def are_finite(self) -> bool:
        """See `ports.Vectors.are_finite`. The numbers are checked in JavaScript."""
        finite: bool = self._rows.flat().every(Number.isFinite)
        return finite

    def float32(self) -> bytes:
        """See `ports.Vectors.float32`. The whole batch is copied at once."""
        floats = Float32Array.new(self._rows.flat())
        return bytes(Uint8Array.new(floats.buffer).to_bytes())

    def row(self, position: int) -> JavaScriptObject:
        """Return one vector as a JavaScript array."""
        return self._rows[position]


def row_of(vectors: Vectors, position: int) -> JavaScriptObject:
    """Return one vector for a binding: its JavaScript array, or a new `Float32Array`."""
    if isinstance(vectors, JavaScriptVectors):
        return vectors.row(position)
    size = vectors.lengths()[position] * FLOAT32_BYTES
    start = position * size
    data = to_js(vectors.float32()[start : start + size])
    return Float32Array.new(data.slice().buffer)
