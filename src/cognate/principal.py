"""Who asks, and for which organization."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NewType

OrganizationId = NewType("OrganizationId", str)
"""An organization that a verified credential stands for. Only `cognate.auth` makes one of a
request; inside a Worker, the caller of `create_embeddings` vouches for it."""


@dataclass(frozen=True)
class Principal:
    """A verified caller.

    Attributes:
        user_id: whose credential it is.
        organization_id: the organization they act for; they are its member.
        roles: what the membership says; comma-joined roles are several.
        via: the kind of credential.
    """

    user_id: str
    organization_id: OrganizationId
    roles: frozenset[str] = field(default_factory=frozenset)
    via: Literal["session"] = "session"
