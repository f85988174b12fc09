"""D1 as the core's database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyodide.ffi import JsException, to_js

from cognate.cloudflare.conversion import parameter, to_python
from cognate.platform_errors import database_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.ports import Row, Statement


class D1Database:
    """`ports.Database` over a D1 binding."""

    def __init__(self, binding: JavaScriptObject) -> None:
        """Take the binding, unwrapped."""
        self._binding = binding

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        if not statements:
            return []  # D1 calls it an error.
        try:
            prepared = [
                self._binding.prepare(statement.sql).bind(*map(parameter, statement.parameters))
                for statement in statements
            ]
            answers = to_python(await self._binding.batch(to_js(prepared)))
        except JsException as error:
            raise database_error(error.message) from error
        return [answer.get("results") or [] for answer in answers]
