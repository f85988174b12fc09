"""Plan a deployment: compare the resources that a checkout needs with those of the account.

The needed resources follow from `wrangler.toml` and from the Vectorize indexes that the caller
names, so nothing is listed twice. The plan is a list of wrangler's own commands.
"""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LOCATIONS: Final = ("weur", "eeur", "apac", "oc", "wnam", "enam")
"""The location hints that wrangler takes for a new D1 database."""
JURISDICTIONS: Final = ("eu", "us", "fedramp")
"""The jurisdictions that wrangler takes for a new D1 database."""

SECRETS_FILE: Final = ".local/secrets.json"
"""Holds the secrets during one command. Git ignores it."""

_PLACEHOLDER_DOMAIN: Final = "example.com"


class DeploymentError(Exception):
    """A deployment cannot go on. The message is one sentence that says why and what to change."""


@dataclass(frozen=True)
class DatabaseResource:
    """A D1 database. Where it has an id, the id identifies it; otherwise the name does."""

    name: str
    id: str | None = None


@dataclass(frozen=True)
class IndexResource:
    """A Vectorize index. `metadata` maps the property of each metadata index to its type."""

    dimensions: int
    metric: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RequiredResources:
    """The resources that a checkout needs in an account.

    Attributes:
        worker: the name of the Worker.
        hosts: the host names of its routes. Empty: the Worker is on workers.dev.
        databases: by binding.
        migrated: the binding of the database that a deployment creates and migrates.
        queues: the names of all queues, dead-letter queues included.
        indexes: the Vectorize indexes by name.
        secrets: the names of the secrets that the Worker requires.
        after_new_metadata_index: what to do once a metadata index was added to an index that
            exists already. The plan shows this sentence.
    """

    worker: str
    hosts: tuple[str, ...]
    databases: Mapping[str, DatabaseResource]
    migrated: str
    queues: tuple[str, ...]
    indexes: Mapping[str, IndexResource]
    secrets: tuple[str, ...]
    after_new_metadata_index: str = ""

    @classmethod
    def read(
        cls,
        configuration: Path,
        indexes: Mapping[str, IndexResource],
        *,
        migrated: str,
        after_new_metadata_index: str = "",
    ) -> RequiredResources:
        """Read the required resources from a `wrangler.toml`.

        Args:
            configuration: the file. It names the Vectorize indexes.
            indexes: what each Vectorize binding needs, by binding.
            migrated: see the attribute.
            after_new_metadata_index: see the attribute.
        """
        values = tomllib.loads(configuration.read_text("utf-8"))
        names = {item["binding"]: item["index_name"] for item in values["vectorize"]}
        return cls(
            worker=values["name"],
            hosts=tuple(_host(route) for route in values.get("routes", [])),
            databases={
                item["binding"]: DatabaseResource(item["database_name"], item.get("database_id"))
                for item in values["d1_databases"]
            },
            migrated=migrated,
            queues=tuple(item["queue"] for item in values["queues"]["consumers"]),
            indexes={names[binding]: index for binding, index in indexes.items()},
            secrets=tuple(values.get("secrets", {}).get("required", [])),
            after_new_metadata_index=after_new_metadata_index,
        )


@dataclass(frozen=True)
class ExistingResources:
    """The resources that an account has already.

    Attributes:
        secrets: the names of the Worker's secrets. Empty: the Worker was never deployed.
    """

    databases: tuple[DatabaseResource, ...] = ()
    queues: frozenset[str] = frozenset()
    indexes: Mapping[str, IndexResource] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Command:
    """One call of wrangler.

    Attributes:
        arguments: the arguments of wrangler.
        reason: why it runs, for a person. Empty: the reason of the command before it covers it.
    """

    arguments: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return shlex.join(["npx", "wrangler", *self.arguments])


def _host(route: str | Mapping[str, Any]) -> str:
    pattern = route if isinstance(route, str) else str(route["pattern"])
    return pattern.split("/", 1)[0]


def refuse_unfinished(need: RequiredResources) -> None:
    """Check that the routes of `wrangler.toml` are on a real domain.

    Raises:
        DeploymentError: a route is still on the placeholder domain.
    """
    for host in need.hosts:
        if host == _PLACEHOLDER_DOMAIN or host.endswith(f".{_PLACEHOLDER_DOMAIN}"):
            raise DeploymentError(
                f"The route {host} in wrangler.toml is a placeholder: write a host name below "
                "your own domain. Without a domain, remove `routes` and set `workers_dev = true`; "
                "callers then need bearer tokens, because workers.dev gets no cookies of yours."
            )


def missing_secrets(need: RequiredResources, found: ExistingResources) -> tuple[str, ...]:
    """The names of the required secrets that the Worker does not have."""
    return tuple(name for name in need.secrets if name not in found.secrets)


def exists(database: DatabaseResource, found: ExistingResources) -> bool:
    """Whether the account has a database, by its id if it has one and otherwise by its name."""
    if database.id is not None:
        return any(each.id == database.id for each in found.databases)
    return any(each.name == database.name for each in found.databases)


def plan_deployment(
    need: RequiredResources, found: ExistingResources, place: str | None
) -> list[Command]:
    """The commands that create what is missing, migrate, and upload the Worker, in their order.

    The database is created before its migrations run, and they run before the upload of the Worker
    that reads it. Queues, indexes and metadata indexes are created before the upload too, so each
    metadata index exists before the first vector.

    Args:
        need: the required resources.
        found: the existing resources.
        place: wrangler's option for the place of a new database, such as `--location=weur`.

    Raises:
        DeploymentError: an existing resource cannot be used, or `place` is needed and None.
    """
    return [
        *_databases(need, found, place),
        *_queues(need, found),
        *_indexes(need, found),
        Command(
            ("d1", "migrations", "apply", need.migrated, "--remote", "--env="),
            "The migrations that are new.",
        ),
        _deploy(missing_secrets(need, found)),
    ]


def _databases(
    need: RequiredResources, found: ExistingResources, place: str | None
) -> Iterator[Command]:
    for binding, database in need.databases.items():
        if exists(database, found):
            continue
        if binding != need.migrated or database.id is not None:
            raise DeploymentError(
                f"The account has no D1 database {database.id or database.name!r}, which "
                f"wrangler.toml binds as {binding}: correct its name or id there."
            )
        if place is None:
            raise DeploymentError(
                f"Say where D1 shall keep {database.name!r}, because a database never moves: "
                f"`make deploy LOCATION=...` ({', '.join(LOCATIONS)}), or, where the law says so, "
                f"`make deploy JURISDICTION=...` ({', '.join(JURISDICTIONS)})."
            )
        yield Command(
            ("d1", "create", database.name, place), "The database. It stays where it is made."
        )


def _queues(need: RequiredResources, found: ExistingResources) -> Iterator[Command]:
    missing = [queue for queue in need.queues if queue not in found.queues]
    for position, queue in enumerate(missing):
        reason = "" if position else "The queues, dead-letter queues included."
        yield Command(("queues", "create", queue), reason)


def _indexes(need: RequiredResources, found: ExistingResources) -> Iterator[Command]:
    for name, index in need.indexes.items():
        there = found.indexes.get(name)
        if there is None:
            options = (f"--dimensions={index.dimensions}", f"--metric={index.metric}")
            yield Command(
                ("vectorize", "create", name, *options),
                f"Vectors of {index.dimensions} dimensions; metadata indexes before the first one.",
            )
            missing, reason = dict(index.metadata), ""
        else:
            missing, reason = _missing_metadata(name, index, there), need.after_new_metadata_index
        for key, kind in missing.items():
            options = (f"--propertyName={key}", f"--type={kind}")
            yield Command(("vectorize", "create-metadata-index", name, *options), reason)


def _missing_metadata(name: str, index: IndexResource, there: IndexResource) -> dict[str, str]:
    if (there.dimensions, there.metric) != (index.dimensions, index.metric):
        raise DeploymentError(
            f"The Vectorize index {name!r} has {there.dimensions} dimensions and the metric "
            f"{there.metric}, and {index.dimensions} and {index.metric} are needed: neither can "
            "be changed, so name another index in wrangler.toml."
        )
    for key, kind in index.metadata.items():
        if there.metadata.get(key, kind) != kind:
            raise DeploymentError(
                f"The metadata index {key!r} of {name!r} is of type {there.metadata[key]}, and "
                f"{kind} is needed: delete it with `wrangler vectorize delete-metadata-index`."
            )
    return {key: kind for key, kind in index.metadata.items() if key not in there.metadata}


def _deploy(secrets: tuple[str, ...]) -> Command:
    if not secrets:
        return Command(("deploy", "--env="), "The Worker.")
    return Command(
        ("deploy", "--env=", f"--secrets-file={SECRETS_FILE}"),
        f"The Worker, with {' and '.join(secrets)} in the file as JSON.",
    )
