"""Claims for a first search. Both organizations have the same ids with other sentences.

They are written through the API like any record, so they are embedded. An application without the
sample table gets none.
"""

from __future__ import annotations

import http
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from local.demo.organizations import DEMO_ORGANIZATIONS
from local.running.loopback import DIRECT

if TYPE_CHECKING:
    from pathlib import Path

    from local.demo.organizations import DemoOrganization

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
_PRESENT_OR_UNWANTED: Final = {http.HTTPStatus.CONFLICT, http.HTTPStatus.NOT_FOUND}


def add_demo_claims_once(url: str, state: Path) -> None:
    """Write the claims if they were never written to the data in `state`.

    So a claim that somebody deleted is not written again.

    Raises:
        OSError: the Worker at `url` refused a claim.
    """
    written = state / "demo-claims-written"
    if not written.exists():
        add_demo_claims(url)
        written.touch()


def add_demo_claims(url: str) -> int:
    """Write the missing claims. Returns how many were written.

    Raises:
        OSError: the Worker at `url` refused a claim.
    """
    return sum(
        _add(url, organization, {"id": record_id, "content": content, "storyId": _STORY})
        for organization in DEMO_ORGANIZATIONS
        for record_id, content in _CLAIMS[organization.slug].items()
    )


def _add(url: str, organization: DemoOrganization, record: dict[str, str]) -> bool:
    request = urllib.request.Request(  # noqa: S310 - the address of our own Worker
        f"{url}/api/v1/claims",
        data=json.dumps(record).encode(),
        headers={
            "authorization": f"Bearer {organization.session_token}",
            "content-type": "application/json",
        },
    )
    try:
        with DIRECT.open(request, timeout=_ANSWER_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        if error.code not in _PRESENT_OR_UNWANTED:
            raise
        error.close()
        return False
