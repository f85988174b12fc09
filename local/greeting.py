"""What `make dev` says when Cognate is up: where it listens and what to paste."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.seed import DEMO_ORGANIZATIONS

if TYPE_CHECKING:
    from local.local_worker import LocalWorker
    from local.seed import DemoOrganization


def greeting(worker: LocalWorker) -> str:
    """The text for a person, with two commands to paste for each demo organization."""
    url = f"http://localhost:{worker.config.port}"
    organizations = "\n".join(_try_it(url, each) for each in DEMO_ORGANIZATIONS)
    return f"""
Cognate listens on {url} (its API: {url}/docs).
Its data and logs are in {worker.config.state}; `make clean` forgets them.

Two organizations are signed in. Store a text for one, and ask who has said it before:
{organizations}
Press Ctrl-C to stop. What the Worker prints follows.

"""


def _try_it(url: str, organization: DemoOrganization) -> str:
    store = {"content": f"{organization.name}: police arrested three suspects"}
    ask = {"query": "Three suspects were arrested by police", "topK": 3}
    return f"""
  # {organization.name}
{curl(f"{url}/api/v1/embeddings", organization, store)}
{curl(f"{url}/api/v1/vectors/query", organization, ask)}
"""


def curl(url: str, organization: DemoOrganization, body: dict[str, object]) -> str:
    """A command that posts `body` in the session of `organization`, as a shell takes it."""
    return (
        f"  curl -s {url} -H 'authorization: Bearer {organization.session_token}' \\\n"
        f"    --json '{json.dumps(body)}'"
    )
