"""The database adapter over D1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from js import JSON
from pyodide.ffi import JsException, to_js

from cognate.cloudflare.conversion import parameter
from cognate.cloudflare.d1_limits import check_answer, check_statement
from cognate.cloudflare.platform_errors import database_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.ports import Row, Statement


class D1Database:
    """`ports.Database` over a D1 binding."""

    def __init__(self, binding: JavaScriptObject) -> None:
        """Wrap a binding."""
        self._binding = binding

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        if not statements:
            return []  # D1 refuses an empty batch.
        for statement in statements:
            check_statement(statement)
        try:
            prepared = [
                self._binding.prepare(statement.sql).bind(*map(parameter, statement.parameters))
                for statement in statements
            ]
            text = JSON.stringify(await self._binding.batch(to_js(prepared)))
        except JsException as error:
            raise database_error(error.message) from error
        answers = [answer.get("results") or [] for answer in json.loads(text)]
        check_answer(answers, text)
        return answers
