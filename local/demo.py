"""Records for `make dev` to try a search on: the same ids in both organizations, other sentences.

They are rows of the sample table `claims`, embedded through the API like any other record. An
application that has dropped the sample table gets none.
"""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Final

from local.loopback import DIRECT
from local.seed import DEMO_ORGANIZATIONS

if TYPE_CHECKING:
    from pathlib import Path

    from local.seed import DemoOrganization

_STORY: Final = "story_1"
_CLAIMS: Final = {
    "acme": {
        "claim_1": "Police arrested three suspects",
        "claim_2": "The bridge was closed after the storm",
    },
    "borealis": {
        "claim_1": "The council approved a new budget for schools",
        "claim_2": "A whale was seen in the harbour",
    },
}
_ANSWER_SECONDS: Final = 30.0


def add_demo_claims(database: Path, url: str) -> int:
    """Write the claims that are not there yet, have them embedded, and count them.

    Raises:
        OSError: the Worker at `url` refused one.
    """
    with closing(sqlite3.connect(database)) as connection:
        if not _has_claims(connection):
            return 0
        added = [
            (organization, record_id, content)
            for organization in DEMO_ORGANIZATIONS
            for record_id, content in _CLAIMS[organization.slug].items()
            if _insert(connection, organization.id, record_id, content)
        ]
        connection.commit()
    for organization, record_id, content in added:
        _embed(url, organization, record_id, content)
    return len(added)


def _has_claims(connection: sqlite3.Connection) -> bool:
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'claims'"
    return connection.execute(sql).fetchone() is not None


def _insert(
    connection: sqlite3.Connection, organization_id: str, record_id: str, content: str
) -> bool:
    sql = (
        "INSERT OR IGNORE INTO claims (organization_id, id, content, story_id) VALUES (?, ?, ?, ?)"
    )
    values = (organization_id, record_id, content, _STORY)
    return connection.execute(sql, values).rowcount == 1


def _embed(url: str, organization: DemoOrganization, record_id: str, content: str) -> None:
    body = {"content": content, "table": "claims", "id": record_id}
    request = urllib.request.Request(  # noqa: S310 - the address of our own Worker
        f"{url}/api/v1/embeddings",
        data=json.dumps(body).encode(),
        headers={
            "authorization": f"Bearer {organization.session_token}",
            "content-type": "application/json",
        },
    )
    with DIRECT.open(request, timeout=_ANSWER_SECONDS):
        pass
