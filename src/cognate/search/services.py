"""The similarity services of a schema as Python objects, each bound to one organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from cognate.schema.names import camel_case
from cognate.search import (
    GrayZoneAnswer,
    SearchAnswer,
    embed,
    embed_all,
    find_with_gray_zone,
    search,
)

if TYPE_CHECKING:
    from cognate.ports import Platform, Scalar
    from cognate.principal import OrganizationId
    from cognate.schema import Cognate, Similarity


class OrganizationEmbeddings:
    """Has one attribute for each service: `Similarity("claimSimilarity")` is `claim_similarity`."""

    def __init__(self, app: Cognate, platform: Platform, organization_id: OrganizationId) -> None:
        """Bind the services of `app`.

        Raises:
            ValueError: the organization is empty.
        """
        if not organization_id:
            message = (
                "create_embeddings(env, organization_id) needs an organization: records belong to "
                "one, and a search looks at one only. Pass the organization of a verified session."
            )
            raise ValueError(message)
        for similarity in app.similarities.values():
            bound = BoundSimilarity(similarity, platform, organization_id)
            vars(self)[similarity.attribute] = bound

    def __getattr__(self, name: str) -> BoundSimilarity:
        """Refuse a service that is not in the schema.

        Raises:
            AttributeError: always; the message lists the services.
        """
        known = ", ".join(vars(self)) or "none"
        message = f"there is no similarity service {name!r}; the services are: {known}"
        raise AttributeError(message)


class BoundSimilarity:
    """One similarity service, bound to one organization."""

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
        """Find the records most similar to a text; see `cognate.search.search`.

        The answer is the sequence of its results: `for match in await service.search(text)`. Other
        keywords filter by the table's metadata: `story_id="story_123"`, or `storyId="story_123"`.
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
        """Split the records near a text into certain and uncertain matches.

        See `cognate.search.find_with_gray_zone`.
        """
        return await find_with_gray_zone(
            self._platform,
            self._organization_id,
            self._similarity,
            text=text,
            min=min,
            max=max,
            filter=_filter(metadata),
        )

    @overload
    async def embed(self, text: str) -> list[float]: ...

    @overload
    async def embed(self, text: list[str]) -> list[list[float]]: ...

    async def embed(self, text: str | list[str]) -> list[float] | list[list[float]]:
        """Embed a text, or up to 100 texts in one call. Each text becomes a list of numbers."""
        if isinstance(text, str):
            return await embed(self._platform, self._similarity, text)
        return await embed_all(self._platform, self._similarity, text)


def _filter(metadata: dict[str, Scalar]) -> dict[str, Scalar]:
    """The filter by JSON name. A keyword is the name of a column or its JSON name.

    Raises:
        TypeError: a field is given under both names.
    """
    found: dict[str, Scalar] = {}
    for name, value in metadata.items():
        key = camel_case(name)
        if key in found:
            message = f"the filter {key!r} is given twice, once as {name!r}"
            raise TypeError(message)
        found[key] = value
    return found
