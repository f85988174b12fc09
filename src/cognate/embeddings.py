"""The similarity services of a schema, bound to one organization, as Python objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.definitions.names import camel_case
from cognate.search import GrayZoneAnswer, SearchAnswer, embed, find_with_gray_zone, search

if TYPE_CHECKING:
    from cognate.definitions import Cognate, Similarity
    from cognate.ports import Platform, Scalar
    from cognate.principal import OrganizationId


class OrganizationEmbeddings:
    """One attribute a service: `Similarity("claimSimilarity", ...)` is `claim_similarity`."""

    def __init__(self, app: Cognate, platform: Platform, organization_id: OrganizationId) -> None:
        """Bind the services of `app`."""
        if not organization_id:
            message = "create_embeddings needs an organization: an empty id would be nobody's"
            raise ValueError(message)
        self._services = {
            similarity.attribute: BoundSimilarity(similarity, platform, organization_id)
            for similarity in app.similarities.values()
        }

    def __getattr__(self, name: str) -> BoundSimilarity:
        """The service of this name, in snake_case.

        Raises:
            AttributeError: the schema has no such service; those it has are listed.
        """
        try:
            return self._services[name]
        except KeyError:
            known = ", ".join(self._services) or "none"
            message = f"there is no similarity service {name!r}; the services are: {known}"
            raise AttributeError(message) from None


class BoundSimilarity:
    """One service within one organization."""

    def __init__(
        self, similarity: Similarity, platform: Platform, organization_id: OrganizationId
    ) -> None:
        """Bind the service."""
        self._similarity = similarity
        self._platform = platform
        self._organization_id = organization_id

    async def search(
        self,
        text: str,
        *,
        limit: int | None = None,
        threshold: float | None = None,
        **metadata: Scalar,
    ) -> SearchAnswer:
        """Tell what a text is to the organization's records; see `cognate.search.search`.

        `metadata` narrows the search: `story_id="story_123"`.
        """
        return await search(
            self._platform,
            self._organization_id,
            self._similarity,
            text=text,
            limit=limit,
            threshold=threshold,
            filter=_filter(metadata),
        )

    async def find_with_gray_zone(
        self,
        text: str,
        *,
        min: float | None = None,  # noqa: A002 - the field's word
        max: float | None = None,  # noqa: A002 - the field's word
        **metadata: Scalar,
    ) -> GrayZoneAnswer:
        """Split what is near into certain and uncertain; see `cognate.search`."""
        return await find_with_gray_zone(
            self._platform,
            self._organization_id,
            self._similarity,
            text=text,
            min=min,
            max=max,
            filter=_filter(metadata),
        )

    async def embed(self, text: str) -> list[float]:
        """The vector of a text: `[dimensions]` numbers."""
        return await embed(self._platform, self._similarity, text)


def _filter(metadata: dict[str, Scalar]) -> dict[str, Scalar]:
    return {camel_case(name): value for name, value in metadata.items()}
