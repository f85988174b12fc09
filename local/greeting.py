"""What `make dev` says when Cognate is up: where it listens and what to paste."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.seed import DEMO_ORGANIZATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.local_worker import LocalWorker
    from local.seed import DemoOrganization


def greeting(worker: LocalWorker) -> str:
    """The text for a person, with a command to paste for each demo organization."""
    url = f"http://localhost:{worker.config.port}"
    organizations = "\n\n".join(_try_it(url, each) for each in DEMO_ORGANIZATIONS)
    return f"""
Cognate listens on {url}

Two organizations have some claims and a session each. Is this new? Ask for each of them:

{organizations}

Its data and logs are in {worker.config.state}; `make clean` forgets them.
Press Ctrl-C to stop. What the Worker prints follows.

"""


def _try_it(url: str, organization: DemoOrganization) -> str:
    ask = {"query": "Three suspects were arrested by police"}
    command = curl(f"{url}/api/v1/similarity/claimSimilarity/search", organization, ask)
    return f"  # {organization.name}\n{command}"


def curl(url: str, organization: DemoOrganization, body: Mapping[str, object]) -> str:
    """A command that posts `body` in the session of `organization`, as a shell takes it."""
    return (
        f"  curl -s {url} \\\n"
        f"    -H 'authorization: Bearer {organization.session_token}' \\\n"
        f"    -H 'content-type: application/json' -d '{json.dumps(body)}'"
    )
