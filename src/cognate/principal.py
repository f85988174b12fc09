"""The authenticated caller and the organization that they act for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NewType

OrganizationId = NewType("OrganizationId", str)
"""The id of an organization whose member is verified. Only `cognate.auth` makes one from a request.
Inside a Worker the caller of `create_embeddings` vouches for it."""


@dataclass(frozen=True)
class Principal:
    """A verified caller.

    Attributes:
        user_id: the user that the credential belongs to.
        organization_id: the organization that the user acts for, and is a member of.
        roles: the roles of the membership.
        via: the kind of credential.
    """

    user_id: str
    organization_id: OrganizationId
    roles: frozenset[str] = field(default_factory=frozenset)
    via: Literal["session"] = "session"
