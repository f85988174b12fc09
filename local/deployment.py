"""`make deployment`: the commands that put this schema on Cloudflare, in their order.

They are printed, not run: they need an account, and each is worth reading. What they create follows
from `src/schema.py` and `wrangler.toml`, so they are made from these.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schema import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]


def commands(root: Path = ROOT) -> Iterator[str]:
    """The lines of a shell script, comments among them."""
    configuration = tomllib.loads((root / "wrangler.toml").read_text("utf-8"))
    yield "# The programs that `make setup` has installed."
    yield 'export PATH="$PWD/.venv/bin:$PATH"'
    yield "npx wrangler login"
    yield ""
    yield "# The queue, and the one that records what ran out of tries."
    for consumer in configuration["queues"]["consumers"]:
        yield f"npx wrangler queues create {consumer['queue']}"
    names = {item["binding"]: item["index_name"] for item in configuration["vectorize"]}
    for index in app.vector_indexes():
        name = names[index.binding]
        yield ""
        yield f"# Vectors of {index.dimensions} dimensions; metadata indexes before the first one."
        yield (
            f"npx wrangler vectorize create {name} "
            f"--dimensions={index.dimensions} --metric={index.metric}"
        )
        for key, kind in index.metadata_indexes.items():
            yield (
                f"npx wrangler vectorize create-metadata-index {name} "
                f"--propertyName={key} --type={kind}"
            )
    [database] = configuration["d1_databases"]
    yield ""
    yield "# The Worker. The first deployment makes the database, and the migrations fill it: until"
    yield "# then every route but /healthz answers 503."
    for secret in configuration["secrets"]["required"]:
        yield f"npx wrangler secret put {secret}"
    yield "uv run pywrangler deploy"
    yield f"npx wrangler d1 migrations apply {database['binding']} --remote"


if __name__ == "__main__":
    sys.stdout.write("\n".join(commands()) + "\n")
