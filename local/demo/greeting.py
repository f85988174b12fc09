"""The text that `make dev` prints when Cognate is up, with commands to paste."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from cognate.auth.sessions import COOKIE_NAMES
from cognate.auth.signature import sign
from local.demo.organizations import DEMO_ORGANIZATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from local.demo.organizations import DemoOrganization

_, _COOKIE = COOKIE_NAMES
_DEMO_SERVICE: Final = "claimSimilarity"


def greeting(*, port: int, state: Path, secret: str | None, services: Sequence[str]) -> str:
    """The greeting, with a command to paste for each demo organization.

    Args:
        port: the port of the Worker.
        state: the folder of its data and logs.
        secret: the Worker's secret, which signs the cookies. None: no cookies are shown.
        services: the names of the similarity services. Empty: the commands list the tables.
    """
    url = f"http://localhost:{port}"
    organizations = "\n\n".join(
        _example(url, organization, secret, services) for organization in DEMO_ORGANIZATIONS
    )
    return f"""
Cognate listens on {url}

Two organizations have a session each, as a bearer token and as a cookie. Ask for each of them:

{organizations}

Its data and logs are in {state}; `make clean` forgets them.
Saved changes of src/ are reloaded. Press Ctrl-C to stop. What the Worker prints follows.

"""


def _example(
    url: str, organization: DemoOrganization, secret: str | None, services: Sequence[str]
) -> str:
    cookie = f"\n  # or -H 'cookie: {session_cookie(organization, secret)}'" if secret else ""
    return f"  # {organization.name}\n{_command(url, organization, services)}{cookie}"


def _command(url: str, organization: DemoOrganization, services: Sequence[str]) -> str:
    """A search in the demonstration's service, or in the first service if there is no such one."""
    service = _DEMO_SERVICE if _DEMO_SERVICE in services else next(iter(services), None)
    if service is None:
        return curl(f"{url}/api/v1/embeddings/tables", organization)
    ask = {"query": "Three suspects were arrested by police"}
    return curl(f"{url}/api/v1/similarity/{service}/search", organization, ask)


def session_cookie(organization: DemoOrganization, secret: str) -> str:
    """The cookie of the organization's session, as a browser sends it to Better Auth."""
    return f"{_COOKIE}={quote(sign(organization.session_token, secret), safe='')}"


def curl(url: str, organization: DemoOrganization, body: Mapping[str, object] | None = None) -> str:
    """A curl command in the session of `organization`. With a `body` it posts JSON."""
    command = f"  curl -s {url} \\\n    -H 'authorization: Bearer {organization.session_token}'"
    if body is None:
        return command
    return f"{command} \\\n    -H 'content-type: application/json' -d '{json.dumps(body)}'"
