"""What `make dev` says when Cognate is up: where it listens and what to paste."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from cognate.auth.credentials import COOKIE_NAMES
from cognate.auth.signature import sign
from cognate.settings import SECRET
from local.demo.organizations import DEMO_ORGANIZATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.demo.organizations import DemoOrganization
    from local.running.local_worker import LocalWorker

_, _COOKIE = COOKIE_NAMES
_DEMO_SERVICE: Final = "claimSimilarity"


def greeting(worker: LocalWorker) -> str:
    """The text for a person, with a command to paste for each demo organization."""
    url = f"http://localhost:{worker.config.port}"
    organizations = "\n\n".join(_try_it(url, each, worker) for each in DEMO_ORGANIZATIONS)
    return f"""
Cognate listens on {url}

Two organizations have a session each, as a bearer token and as a cookie. Ask for each of them:

{organizations}

Its data and logs are in {worker.config.state}; `make clean` forgets them.
Saved changes of src/ are reloaded. Press Ctrl-C to stop. What the Worker prints follows.

"""


def _try_it(url: str, organization: DemoOrganization, worker: LocalWorker) -> str:
    secret = worker.variable(SECRET)
    cookie = f"\n  # or -H 'cookie: {session_cookie(organization, secret)}'" if secret else ""
    command = _command(url, organization, worker.schema.services)
    return f"  # {organization.name}\n{command}{cookie}"


def _command(url: str, organization: DemoOrganization, services: Sequence[str]) -> str:
    """A search in the demonstration's service or in the first one, if there is any."""
    service = _DEMO_SERVICE if _DEMO_SERVICE in services else next(iter(services), None)
    if service is None:
        return curl(f"{url}/api/v1/embeddings/tables", organization)
    ask = {"query": "Three suspects were arrested by police"}
    return curl(f"{url}/api/v1/similarity/{service}/search", organization, ask)


def session_cookie(organization: DemoOrganization, secret: str) -> str:
    """The cookie of the organization's session, as a browser sends it to Better Auth."""
    return f"{_COOKIE}={quote(sign(organization.session_token, secret), safe='')}"


def curl(url: str, organization: DemoOrganization, body: Mapping[str, object] | None = None) -> str:
    """A command for a shell: ask `url` in the session of `organization`, posting a `body`."""
    command = f"  curl -s {url} \\\n    -H 'authorization: Bearer {organization.session_token}'"
    if body is None:
        return command
    return f"{command} \\\n    -H 'content-type: application/json' -d '{json.dumps(body)}'"
