"""`make readme`: write the generated parts of README.md again."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cognate.api.routes import ROUTES
from local.commands.deploy import required_resources
from local.deployment.planning import ExistingResources, plan_deployment
from local.setup.layout import ROOT
from schema import app

if TYPE_CHECKING:
    from collections.abc import Iterator

README: Final = ROOT / "README.md"


def generated(text: str) -> str:
    """The text of the README with its generated parts made anew."""
    for name, lines in (("routes", _routes()), ("deployment", _deployment())):
        start, rest = text.split(f"<!-- {name}:", 1)
        comment, rest = rest.split("-->\n", 1)
        _old, end = rest.split(f"<!-- end of {name} -->", 1)
        body = "\n".join(lines)
        text = f"{start}<!-- {name}:{comment}-->\n{body}\n<!-- end of {name} -->{end}"
    return text


def _routes() -> Iterator[str]:
    yield "| route | what |"
    yield "|---|---|"
    for path, group in groupby(ROUTES, lambda route: route.path):
        routes = list(group)
        methods = ", ".join(route.method for route in routes)
        yield f"| `{methods} {path}` | {' '.join(route.summary for route in routes)} |"


def _deployment() -> Iterator[str]:
    yield "```sh"
    yield "# The programs that `make setup` has installed."
    yield 'export PATH="$PWD/.venv/bin:$PATH"'
    *_, upload = plan_deployment(required_resources(app), ExistingResources(), "--location=weur")
    yield str(upload)
    yield "```"


if __name__ == "__main__":
    before = README.read_text("utf-8")
    README.write_text(generated(before), "utf-8")
    sys.stdout.write("README.md is up to date.\n")
